package plan

import (
	"reflect"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/host/hold"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

func TestTheFileDecidesWhoManagesAHost(t *testing.T) {
	t.Parallel()
	const self = "gw1.example.net:22"
	file := func(owner, host string) File {
		return File{Exists: true, Managed: true, Header: cfg.Header{Owner: owner, Host: host}}
	}
	refused := func(owner, reason string) *Plan {
		return &Plan{Action: Refuse, Reasons: []string{reason}, Owner: owner}
	}
	const another = "it belongs to another namespace, or to the edgelb of another cluster; the operator's log and the file's header say to which"
	duplicate := &Plan{Action: Refuse, Duplicate: true, Reasons: []string{`this machine is already kept as host "192.0.2.1:22"`}}
	otherCluster := refused("other/shop", another)
	otherNamespace := refused("prod/bank", another)
	nothing := &Plan{Action: NoOp}
	for name, test := range map[string]struct {
		file  File
		wants []string
		// serve, adopt and leave are the plans to serve there, to serve with adopt, and to leave; nil if the host is free or ours,
		// and the wanted Config decides.
		serve, adopt, leave *Plan
	}{
		"no owner: there is no file":              {file: File{}},
		"no owner: the distribution's":            {file: File{Exists: true, Pristine: true}},
		"no owner: left idle":                     {file: file("", "")},
		"not written by an edgelb":                {file: File{Exists: true}, serve: refused("", "it was written by somebody else, not by edgelb"), leave: nothing},
		"another cluster's":                       {file: file("other/shop", self), serve: otherCluster, leave: nothing},
		"another namespace's":                     {file: file("prod/bank", self), serve: otherNamespace, leave: nothing},
		"another's under a name that is ours too": {file: file("prod/bank", "192.0.2.1:22"), wants: []string{"192.0.2.1:22"}, serve: otherNamespace, leave: nothing},
		"ours":                                  {file: file("prod/shop", self), wants: []string{self}},
		"ours, by an edgelb that named no host": {file: file("prod/shop", ""), wants: []string{self}},
		"ours under another name":               {file: file("prod/shop", "192.0.2.1:22"), wants: []string{self, "192.0.2.1:22"}, serve: duplicate, adopt: duplicate, leave: nothing},
		"ours under a name that was given up":   {file: file("prod/shop", "192.0.2.1:22"), wants: []string{self}, leave: nothing},
		"ours on another port":                  {file: file("prod/shop", "gw1.example.net:2222"), wants: []string{self}, leave: nothing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serving := haproxy.Config{Owner: "prod/shop", Host: self, Frontends: []haproxy.Frontend{{Name: "https"}}}
			idle := haproxy.Config{Owner: "prod/shop", Host: self}
			wants := func(host string) bool { return slices.Contains(test.wants, host) }
			requireKept(t, "to serve", test.file, Wanted{Config: serving, Wants: wants}, test.serve)
			requireKept(t, "to serve and adopt", test.file, Wanted{Config: serving, Wants: wants, Policy: hold.Policy{Adopt: true}}, test.adopt)
			requireKept(t, "to leave", test.file, Wanted{Config: idle, Wants: wants}, test.leave)
			requireKept(t, "to leave and adopt", test.file, Wanted{Config: idle, Wants: wants, Policy: hold.Policy{Adopt: true}}, test.leave)
		})
	}
}

func requireKept(t *testing.T, what string, file File, wanted Wanted, want *Plan) {
	t.Helper()
	got, kept := keptByAnother(file, wanted)
	if kept != (want != nil) || (kept && !reflect.DeepEqual(got, *want)) {
		t.Errorf("%s: %t, %+v; want %+v", what, kept, got, want)
	}
}

func TestAnotherNameIsTakenOverIfNoWantedNamesAreKnown(t *testing.T) {
	t.Parallel()
	file := File{Exists: true, Managed: true, Header: cfg.Header{Owner: "prod/shop", Host: "192.0.2.1:22"}}
	serving := haproxy.Config{Owner: "prod/shop", Host: "gw1:22", Frontends: []haproxy.Frontend{{Name: "https"}}}
	requireKept(t, "to serve", file, Wanted{Config: serving}, nil)
}

func TestARenamedHostReportsItsPreviousName(t *testing.T) {
	t.Parallel()
	config := haproxy.Config{Owner: "prod/shop", Host: "gw1:22", Frontends: []haproxy.Frontend{{Name: "https"}}}
	for name, test := range map[string]struct {
		header cfg.Header
		want   string
	}{
		"another name": {cfg.Header{Owner: "prod/shop", Host: "192.0.2.1:22"}, "192.0.2.1:22"},
		"the same":     {cfg.Header{Owner: "prod/shop", Host: "gw1:22"}, ""},
		"none":         {cfg.Header{Owner: "prod/shop"}, ""},
		"another's":    {cfg.Header{Owner: "prod/bank", Host: "192.0.2.1:22"}, ""},
		"no owner":     {cfg.Header{}, ""},
	} {
		observed := Observed{File: File{Exists: true, Managed: true, Header: test.header}}
		if got := Compute(observed, Wanted{Config: config, Policy: hold.Policy{Adopt: true}}); got.RenamedFrom != test.want || got.Action != Reload {
			t.Errorf("%s: took it over from %q by %s, want %q", name, got.RenamedFrom, got.Action, test.want)
		}
	}
}
