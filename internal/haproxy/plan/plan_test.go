package plan_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

const owner = "cluster/namespace"

// want returns a configuration with one listener and these servers.
func want(t *testing.T, servers ...haproxy.Server) plan.Wanted {
	t.Helper()
	return render(t, haproxy.Config{
		Owner: owner, AdminSocket: "/run/haproxy/admin.sock", MaxConnections: 1000,
		Timeouts:  haproxy.Timeouts{Connect: time.Second, Client: time.Second, Server: time.Second, Queue: time.Second},
		Frontends: []haproxy.Frontend{{Name: "ns_web_https", Binds: []haproxy.Bind{bind(t, "ipv4@:443"), bind(t, "ipv6@:443")}, Backend: "ns_web_app"}},
		Backends:  []haproxy.Backend{{Name: "ns_web_app", Balance: haproxy.LeastConn, Servers: servers}},
	})
}

// routed returns a configuration with one listener that reads names, and one route.
func routed(t *testing.T, name, to string) plan.Wanted {
	t.Helper()
	config := want(t).Config
	config.Frontends[0].Protocol = haproxy.TLS
	config.Frontends[0].Routes = []haproxy.Route{{Name: name, To: to}}
	config.Backends = append(config.Backends, haproxy.Backend{Name: "ns_web_blog", Balance: haproxy.LeastConn})
	return render(t, config)
}

func idle(t *testing.T) plan.Wanted {
	t.Helper()
	config := want(t).Config
	config.Frontends, config.Backends = nil, nil
	return render(t, config)
}

func render(t *testing.T, config haproxy.Config) plan.Wanted {
	t.Helper()
	file, err := cfg.Render(config, cfg.Platform{StateFile: "/etc/haproxy/state", NamesPrefix: "/etc/haproxy/names-"})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Wanted{Config: config, File: file}
}

func bind(t *testing.T, s string) haproxy.Bind {
	t.Helper()
	b, err := haproxy.ParseBind(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func server(name, addr string) haproxy.Server {
	return haproxy.Server{Name: name, Addr: netip.MustParseAddr(addr), Port: 8443, Weight: 1}
}

// hostWith returns a host that runs the configuration, with the file that was written for it.
func hostWith(t *testing.T, w plan.Wanted) plan.Observed {
	t.Helper()
	header, ok := cfg.ParseHeader(w.File.Text)
	if !ok {
		t.Fatal("the file has no header")
	}
	o := plan.Observed{
		File:    plan.File{Exists: true, Managed: true, Header: header, SHA256: w.File.SHA256(), SettingsSHA256: plan.SettingsSHA256(w.File.Text), Binds: map[string][]string{}},
		Running: plan.Running{Alive: true, Answers: true, Structure: w.File.Structure},
	}
	if w.File.NamesPath != "" {
		o.File.NamesSHA256 = map[string]string{w.File.NamesPath: w.File.NamesSHA256()}
		o.Running.Names = w.Config.Entries()
	}
	for _, frontend := range w.Config.Frontends {
		for _, b := range frontend.Binds {
			o.File.Binds[frontend.Name] = append(o.File.Binds[frontend.Name], b.String())
		}
	}
	for _, backend := range w.Config.Backends {
		for _, s := range backend.Servers {
			o.Running.Servers = append(o.Running.Servers, runtime.Server{Backend: backend.Name, Name: s.Name, Addr: s.Addr, Port: s.Port, Weight: s.Weight, Checked: true})
		}
	}
	return o
}

func TestComputeDecides(t *testing.T) {
	t.Parallel()
	a, b := server("a", "10.0.0.1"), server("b", "10.0.0.2")
	moved := server("a", "10.0.0.9")
	one, named := want(t, a), routed(t, "a.example.com", "ns_web_app")
	another := func(o plan.Observed) plan.Observed { o.File.Header.Owner = "other/namespace"; return o }
	foreign := plan.Observed{File: plan.File{Exists: true, SHA256: "x"}, Running: plan.Running{Alive: true, Answers: true}}
	adopting := one
	adopting.Policy.Adopt = true
	slower := one.Config
	slower.Timeouts.Client = time.Minute
	otherBind := one.Config
	otherBind.Frontends = []haproxy.Frontend{{Name: "ns_web_https", Binds: []haproxy.Bind{bind(t, "ipv4@:443"), bind(t, "ipv4@:8443")}, Backend: "ns_web_app"}}
	moreBinds := one.Config
	moreBinds.Frontends = []haproxy.Frontend{{Name: "ns_web_https", Binds: []haproxy.Bind{bind(t, "ipv4@:443"), bind(t, "ipv4@:8443"), bind(t, "ipv6@:443")}, Backend: "ns_web_app"}}

	for name, test := range map[string]struct {
		observed   plan.Observed
		wanted     plan.Wanted
		action     plan.Action
		reasons    []string
		owner      string
		backup     bool
		keepFormer bool
	}{
		"all is as wanted": {observed: hostWith(t, one), wanted: one, action: plan.NoOp},
		"a server is added": {observed: hostWith(t, one), wanted: want(t, a, b), action: plan.Runtime, keepFormer: true,
			reasons: []string{"backend ns_web_app: server b added"}},
		"a server is removed": {observed: hostWith(t, want(t, a, b)), wanted: one, action: plan.Runtime, keepFormer: true,
			reasons: []string{"backend ns_web_app: server b removed"}},
		"a server is moved": {observed: hostWith(t, one), wanted: want(t, moved), action: plan.Runtime, keepFormer: true,
			reasons: []string{"backend ns_web_app: server a moved from 10.0.0.1:8443 to 10.0.0.9:8443"}},
		"a name is added and another removed": {observed: hostWith(t, named), wanted: routed(t, "b.example.com", "ns_web_app"), action: plan.Runtime, keepFormer: true,
			reasons: []string{"frontend ns_web_https: name a.example.com removed", "frontend ns_web_https: name b.example.com added"}},
		"a name goes elsewhere": {observed: hostWith(t, named), wanted: routed(t, "a.example.com", "ns_web_blog"), action: plan.Runtime, keepFormer: true,
			reasons: []string{"frontend ns_web_https: name a.example.com goes to ns_web_blog now"}},
		"all names are as wanted": {observed: hostWith(t, named), wanted: named, action: plan.NoOp},
		"the map file is gone": {observed: change(hostWith(t, named), func(o *plan.Observed) { o.File.NamesSHA256 = nil }), wanted: named, action: plan.Rewrite, keepFormer: true,
			reasons: []string{"the map file is gone"}},
		"the map file was edited": {observed: change(hostWith(t, named), func(o *plan.Observed) { o.File.NamesSHA256[named.File.NamesPath] = "x" }), wanted: named, action: plan.Rewrite, keepFormer: true,
			reasons: []string{"the map file was edited"}},
		"a name was deleted by hand": {observed: change(hostWith(t, named), func(o *plan.Observed) { o.Running.Names = nil }), wanted: named, action: plan.Runtime, keepFormer: true,
			reasons: []string{"frontend ns_web_https: name a.example.com added"}},
		"a listener changes": {observed: hostWith(t, one), wanted: render(t, otherBind), action: plan.Reload, keepFormer: true,
			reasons: []string{"frontend ns_web_https: bind ipv4@:8443 added", "frontend ns_web_https: bind ipv6@:443 removed"}},
		"a listener gets one more bind": {observed: hostWith(t, one), wanted: render(t, moreBinds), action: plan.Reload, keepFormer: true,
			reasons: []string{"frontend ns_web_https: bind ipv4@:8443 added"}},
		"a setting changes": {observed: hostWith(t, one), wanted: render(t, slower), action: plan.Reload, keepFormer: true,
			reasons: []string{"settings changed"}},
		"the host is idle": {observed: hostWith(t, idle(t)), wanted: one, action: plan.Reload, keepFormer: true,
			reasons: []string{"frontend ns_web_https: bind ipv4@:443 added", "frontend ns_web_https: bind ipv6@:443 added"}},
		"the last listener goes": {observed: hostWith(t, one), wanted: idle(t), action: plan.Reload, keepFormer: true,
			reasons: []string{"frontend ns_web_https: bind ipv4@:443 removed", "frontend ns_web_https: bind ipv6@:443 removed"}},
		"the file was edited": {observed: change(hostWith(t, one), func(o *plan.Observed) { o.File.SHA256 = "x" }), wanted: one, action: plan.Rewrite, keepFormer: true,
			reasons: []string{"the file was edited, or only its comments changed"}},
		"settings in the file were edited": {observed: change(hostWith(t, one), func(o *plan.Observed) { o.File.SHA256, o.File.SettingsSHA256 = "x", "x" }),
			wanted: one, action: plan.Reload, keepFormer: true, reasons: []string{"the file was edited, and HAProxy may have loaded it"}},
		"settings in the file were edited since the last readback": {observed: change(hostWith(t, one), func(o *plan.Observed) {
			o.File.SHA256, o.File.SettingsSHA256, o.Running.Same = "x", "x", true
		}), wanted: one, action: plan.Rewrite, keepFormer: true, reasons: []string{"the file was edited, or only its comments changed"}},
		"the file is that of other servers": {observed: change(hostWith(t, one), func(o *plan.Observed) { o.File.SHA256, o.File.Header.Whole = "x", "x" }), wanted: one, action: plan.Rewrite, keepFormer: true,
			reasons: []string{"the file differs from what runs"}},
		"the file is gone": {observed: plan.Observed{Running: hostWith(t, one).Running}, wanted: one, action: plan.Rewrite,
			reasons: []string{"the file is gone"}},
		"a change broke before the reload": {observed: plan.Observed{File: hostWith(t, one).File, Running: hostWith(t, idle(t)).Running}, wanted: one, action: plan.Reload,
			reasons: []string{"HAProxy does not run the configuration of the file"}},
		"HAProxy does not say what it runs": {observed: plan.Observed{File: hostWith(t, one).File, Running: plan.Running{Alive: true}}, wanted: one, action: plan.Reload, keepFormer: true,
			reasons: []string{"HAProxy does not say what it runs"}},
		"HAProxy is stopped": {observed: plan.Observed{File: hostWith(t, one).File}, wanted: one, action: plan.Reload, keepFormer: true,
			reasons: []string{"HAProxy does not run"}},
		"the last listener goes while HAProxy is stopped": {observed: plan.Observed{File: hostWith(t, one).File}, wanted: idle(t), action: plan.Rewrite, keepFormer: true,
			reasons: []string{"the file differs from what runs"}},
		"there is no file": {observed: plan.Observed{Running: plan.Running{Alive: true, Answers: true}}, wanted: one, action: plan.Reload,
			reasons: []string{"HAProxy runs a configuration that is not edgelb's"}},
		"the file is the distribution's": {observed: change(foreign, func(o *plan.Observed) { o.File.Pristine = true }), wanted: one, action: plan.Reload, backup: true, keepFormer: true,
			reasons: []string{"HAProxy runs a configuration that is not edgelb's"}},
		"somebody else wrote the file": {observed: foreign, wanted: one, action: plan.Refuse,
			reasons: []string{"it was written by somebody else, not by edgelb"}},
		"somebody else's file is adopted": {observed: foreign, wanted: adopting, action: plan.Reload, backup: true, keepFormer: true,
			reasons: []string{"HAProxy runs a configuration that is not edgelb's"}},
		"another operator wrote the file": {observed: another(hostWith(t, one)), wanted: one, action: plan.Refuse,
			reasons: []string{"it belongs to another namespace, or to the edgelb of another cluster; the operator's log and the file's header say to which"},
			owner:   "other/namespace"},
		"another operator's file is adopted": {observed: another(hostWith(t, idle(t))), wanted: adopting, action: plan.Reload, keepFormer: true,
			reasons: []string{"frontend ns_web_https: bind ipv4@:443 added", "frontend ns_web_https: bind ipv6@:443 added"}},
		"there is nothing of ours to remove":     {observed: foreign, wanted: idle(t), action: plan.NoOp},
		"another operator's file is not removed": {observed: another(hostWith(t, one)), wanted: idle(t), action: plan.NoOp},
		"the file is gone, but its listeners are still served": {observed: plan.Observed{Running: hostWith(t, one).Running}, wanted: idle(t), action: plan.Reload,
			reasons: []string{"HAProxy does not run the configuration of the file"}},
		"there is nothing to remove": {observed: plan.Observed{}, wanted: idle(t), action: plan.NoOp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := plan.Compute(test.observed, test.wanted)

			if (len(got.Rounds) > 0) != (got.Action == plan.Runtime) {
				t.Errorf("%s has the commands %v", got.Action, got.Rounds)
			}
			got.Rounds = nil
			want := plan.Plan{
				Action: test.action, Reasons: test.reasons, Backup: test.backup, KeepFormer: test.keepFormer, Owner: test.owner,
				StaleFile: test.action == plan.Rewrite || test.action == plan.Runtime && test.observed.File.SHA256 != test.wanted.File.SHA256(),
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func change(o plan.Observed, by func(*plan.Observed)) plan.Observed {
	by(&o)
	return o
}

func TestComputeIsDeterministic(t *testing.T) {
	t.Parallel()
	observed, wanted := hostWith(t, want(t)), want(t, server("a", "10.0.0.1"), server("b", "10.0.0.2"), server("c", "10.0.0.3"))
	first := plan.Compute(observed, wanted)
	for range 50 {
		if again := plan.Compute(observed, wanted); !reflect.DeepEqual(again, first) {
			t.Fatalf("got %+v, then %+v", first, again)
		}
	}
}

func TestSettingsAreAFilesLinesWithoutComments(t *testing.T) {
	t.Parallel()
	plain := plan.SettingsSHA256([]byte("global\n  maxconn 9\n"))
	for text, same := range map[string]bool{
		"# header\n\nglobal\n  maxconn 9  # why\n#end": true,
		"global\n  maxconn 9":                          true,
		"global\n  maxconn 8\n":                        false,
		"global\n  # maxconn 9\n":                      false,
		"global maxconn 9\n":                           false,
		"global\n  maxconn 9\nx\n":                     false,
	} {
		if got := plan.SettingsSHA256([]byte(text)); (got == plain) != same {
			t.Errorf("%q: same settings: %t, want %t", text, got == plain, same)
		}
	}
}
