package plan

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/host/hold"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
	"github.com/edgelb/edgelb/internal/keepalived/facts"
)

const owner = "cluster/ns"

// wanted returns what is wanted, with a priority.
func wanted(t *testing.T, priority int) Wanted {
	t.Helper()
	config := keepalived.Config{Owner: owner, Host: "gw1:22", CheckSocket: "/run/check.sock", Instances: []keepalived.Instance{{
		Name: "web", Interface: "eth0", RouterID: 33, Priority: priority, Advertisement: time.Second,
		Source: netip.MustParseAddr("192.0.2.2"), Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")},
	}}}
	file, err := cfg.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	return Wanted{Config: config, File: file}
}

func idle() Wanted { return Wanted{Config: keepalived.Config{Owner: owner}} }

// running is a host that runs what is wanted, and has everything.
func running(w Wanted) facts.Facts {
	return facts.Facts{
		Installation: facts.Installation{
			Binary: "/usr/sbin/keepalived", Init: "systemd", Service: "enabled",
			File:    facts.File{Exists: true, Managed: true, Header: cfg.Header{Owner: owner, Host: "gw1:22", Hash: w.File.Hash}, SHA256: w.File.SHA256()},
			Scripts: map[string]string{w.File.Scripts[0].Path: w.File.Scripts[0].SHA256()},
		},
		Root: true, ScriptUser: true, Process: 7, Results: true, Check: facts.Check{Hash: w.File.Hash, OK: true}, Maintenance: "0",
	}
}

func TestThePlanFollowsFromWhatDiffers(t *testing.T) {
	t.Parallel()
	w, other := wanted(t, 250), wanted(t, 240)
	for name, test := range map[string]struct {
		change func(*facts.Facts, *Wanted)
		want   Plan
		// reason is a part of the first reason.
		reason string
	}{
		"nothing differs":      {func(*facts.Facts, *Wanted) {}, Plan{Action: NoOp}, ""},
		"HAProxy is down":      {func(f *facts.Facts, _ *Wanted) { f.Check.OK = false }, Plan{Action: NoOp}, ""},
		"a service of its own": {func(f *facts.Facts, _ *Wanted) { f.Service = "static" }, Plan{Action: NoOp}, ""},
		"a new host": {func(f *facts.Facts, _ *Wanted) {
			*f = facts.Facts{Installation: facts.Installation{Service: "disabled"}}
		},
			Plan{Action: Start, Write: true}, "keepalived does not run"},
		"keepalived was stopped": {func(f *facts.Facts, _ *Wanted) { f.Process, f.Check = 0, facts.Check{} },
			Plan{Action: Start, KeepFormer: true}, "keepalived does not run"},
		"another configuration": {func(f *facts.Facts, w *Wanted) { *f = running(other) },
			Plan{Action: Reload, Write: true, KeepFormer: true}, "the configuration changed"},
		"another one, and not running": {func(f *facts.Facts, w *Wanted) { *f = running(other); f.Process = 0 },
			Plan{Action: Start, Write: true, KeepFormer: true}, "keepalived does not run"},
		"the file was edited": {func(f *facts.Facts, _ *Wanted) { f.File.SHA256 = "x" },
			Plan{Action: Reload, Write: true, KeepFormer: true}, "the file was edited"},
		"the file is gone": {func(f *facts.Facts, _ *Wanted) { f.File = facts.File{} },
			Plan{Action: Reload, Write: true}, "there is no configuration yet"},
		"the check was edited": {func(f *facts.Facts, w *Wanted) { f.Scripts = map[string]string{w.File.Scripts[0].Path: "x"} },
			Plan{Action: Reload, Write: true, KeepFormer: true}, "a script of edgelb's was edited"},
		"the check is gone": {func(f *facts.Facts, _ *Wanted) { f.Scripts = nil },
			Plan{Action: Reload, Write: true, KeepFormer: true}, "or is gone"},
		"keepalived runs another file": {func(f *facts.Facts, _ *Wanted) { f.Check.Hash = other.File.Hash },
			Plan{Action: Reload, Unproved: true}, "another configuration than that of its file"},
		"a new file, and keepalived ran another than the former": {func(f *facts.Facts, _ *Wanted) { *f = running(other); f.Check.Hash = w.File.Hash },
			Plan{Action: Reload, Write: true}, "the configuration changed"},
		"the check does not run": {func(f *facts.Facts, _ *Wanted) { f.Check = facts.Check{} },
			Plan{Action: Reload, Unproved: true, KeepFormer: true}, "keepalived does not run its check"},
		"the check no longer runs": {func(f *facts.Facts, _ *Wanted) { f.Check.Age = time.Minute },
			Plan{Action: Reload, Unproved: true, KeepFormer: true}, "keepalived does not run its check"},
		"a reboot": {func(f *facts.Facts, _ *Wanted) { f.Check, f.Results = facts.Check{}, false },
			Plan{Action: Prepare, KeepFormer: true}, "as after a reboot"},
		"maintenance begins": {func(_ *facts.Facts, w *Wanted) { w.Maintenance = true },
			Plan{Action: Prepare, KeepFormer: true}, "the maintenance begins"},
		"maintenance ends": {func(f *facts.Facts, _ *Wanted) { f.Maintenance = "1" },
			Plan{Action: Prepare, KeepFormer: true}, "the maintenance ends"},
		"maintenance is unknown": {func(f *facts.Facts, _ *Wanted) { f.Maintenance = "" },
			Plan{Action: Prepare, KeepFormer: true}, "the file of the maintenance mode is gone"},
		"maintenance goes on": {func(f *facts.Facts, w *Wanted) { f.Maintenance, w.Maintenance = "1", true }, Plan{Action: NoOp}, ""},
		"it does not start with the machine": {func(f *facts.Facts, _ *Wanted) { f.Service = "disabled" },
			Plan{Action: Prepare, KeepFormer: true}, "does not start with the machine"},
		"no longer wanted": {func(_ *facts.Facts, w *Wanted) { *w = idle() }, Plan{Action: Stop}, "no virtual address is wanted"},
		"no longer wanted, and not running": {func(f *facts.Facts, w *Wanted) { *w, f.Process = idle(), 0 },
			Plan{Action: Stop}, "no virtual address is wanted"},
		"never wanted": {func(f *facts.Facts, w *Wanted) { *w, *f = idle(), facts.Facts{} }, Plan{Action: NoOp}, ""},
		"never wanted, somebody else's": {func(f *facts.Facts, w *Wanted) { *w, f.File = idle(), facts.File{Exists: true} },
			Plan{Action: NoOp}, ""},
		"never wanted, another owner's": {func(f *facts.Facts, w *Wanted) { *w, f.File.Header.Owner = idle(), "other/ns" },
			Plan{Action: NoOp}, ""},
	} {
		w := w
		f := running(w)
		test.change(&f, &w)
		got := Compute(Observed{Facts: f}, w)
		first := strings.Join(slices.Concat(got.Reasons, []string{""})[:1], "")
		if !strings.Contains(first, test.reason) || (test.reason == "") != (len(got.Reasons) == 0) {
			t.Errorf("%s: got the reasons %q, want %q", name, got.Reasons, test.reason)
		}
		got.Reasons = nil
		if !equal(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func equal(a, b Plan) bool {
	same := slices.Equal(a.Reasons, b.Reasons) && slices.Equal(a.Drift, b.Drift)
	return same && a.Action == b.Action && a.Hold == b.Hold && a.Write == b.Write && a.Backup == b.Backup &&
		a.KeepFormer == b.KeepFormer && a.Unproved == b.Unproved && a.Owner == b.Owner
}

func TestAFileOfSomebodyElseIsLeftAloneUnlessItMayBeAdopted(t *testing.T) {
	t.Parallel()
	w := wanted(t, 250)
	for name, test := range map[string]struct {
		file   facts.File
		adopt  Plan
		refuse Plan
	}{
		"made by hand": {facts.File{Exists: true, SHA256: "x"},
			Plan{Action: Reload, Write: true, Backup: true, KeepFormer: true}, Plan{Action: Refuse}},
		"another owner's": {facts.File{Exists: true, Managed: true, Header: cfg.Header{Owner: "other/ns"}},
			Plan{Action: Reload, Write: true}, Plan{Action: Refuse, Owner: "other/ns"}},
		"the package's own": {facts.File{Exists: true, Pristine: true},
			Plan{Action: Reload, Write: true, Backup: true, KeepFormer: true}, Plan{Action: Reload, Write: true, Backup: true, KeepFormer: true}},
	} {
		f := running(w)
		f.File = test.file
		for _, adopt := range []bool{false, true} {
			w.Policy.Adopt = adopt
			want := test.refuse
			if adopt {
				want = test.adopt
			}
			got := Compute(Observed{Facts: f}, w)
			if want.Action == Refuse && (len(got.Reasons) != 1 || strings.Contains(got.Reasons[0], "other/ns")) {
				t.Errorf("%s: got the reasons %q", name, got.Reasons)
			}
			got.Reasons = nil
			if !equal(got, want) {
				t.Errorf("%s, adopt %t: got %+v, want %+v", name, adopt, got, want)
			}
		}
	}
}

func TestDriftIsWhatOnlySomebodyElseCanHaveCaused(t *testing.T) {
	t.Parallel()
	w, other := wanted(t, 250), wanted(t, 240)
	edited := running(w)
	edited.File.SHA256 = "x"
	rebooted := running(w)
	rebooted.Results, rebooted.Check = false, facts.Check{}
	for name, test := range map[string]struct {
		facts       facts.Facts
		previous    Previous
		maintenance bool
		want        bool
	}{
		"it was proved":                  {edited, Previous{Hash: w.File.Hash}, false, true},
		"it was never proved":            {edited, Previous{}, false, false},
		"another one was proved":         {edited, Previous{Hash: other.File.Hash}, false, false},
		"a change has begun":             {edited, Previous{Hash: w.File.Hash, Begun: true}, false, false},
		"the host was rebooted":          {rebooted, Previous{Hash: w.File.Hash}, false, false},
		"maintenance is wanted now":      {running(w), Previous{Hash: w.File.Hash}, true, false},
		"somebody has ended maintenance": {running(w), Previous{Hash: w.File.Hash, Maintenance: true}, true, true},
		"nothing differs":                {running(w), Previous{Hash: w.File.Hash}, false, false},
	} {
		w := w
		w.Maintenance = test.maintenance
		got := Compute(Observed{Facts: test.facts, Previous: test.previous}, w)
		if (len(got.Drift) > 0) != test.want || (test.want && !slices.Equal(got.Drift, got.Reasons)) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestThePolicyHoldsPlans(t *testing.T) {
	t.Parallel()
	w := wanted(t, 250)
	edited, theirs := running(w), running(w)
	edited.File.SHA256, theirs.File = "x", facts.File{Exists: true}
	for name, test := range map[string]struct {
		facts  facts.Facts
		policy hold.Policy
		want   hold.Hold
	}{
		"no policy":                       {edited, hold.Policy{}, hold.None},
		"suspended":                       {edited, hold.Policy{Suspend: true}, hold.Suspended},
		"suspended, and nothing to do":    {running(w), hold.Policy{Suspend: true}, hold.Suspended},
		"suspended, and drift":            {edited, hold.Policy{Suspend: true, ReportDrift: true}, hold.Suspended},
		"drift":                           {edited, hold.Policy{ReportDrift: true}, hold.Drift},
		"drift is reported, and none":     {running(w), hold.Policy{ReportDrift: true}, hold.None},
		"suspended, and somebody else's":  {theirs, hold.Policy{Suspend: true}, hold.None},
		"drift reported, somebody else's": {theirs, hold.Policy{ReportDrift: true}, hold.None},
	} {
		w := w
		w.Policy = test.policy
		if got := Compute(Observed{Facts: test.facts, Previous: Previous{Hash: w.File.Hash}}, w); got.Hold != test.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// notifying returns what is wanted with a command that gets a Secret.
func notifying(t *testing.T, token string) Wanted {
	t.Helper()
	w := wanted(t, 250)
	w.Config.Instances[0].Notify = keepalived.Notify{Command: "/bin/assign", Secret: true}
	w.Secrets = map[string]keepalived.Secret{"web": {Files: keepalived.SecretFiles{"token": []byte(token)}}}
	file, err := cfg.Render(w.Config)
	if err != nil {
		t.Fatal(err)
	}
	w.File = file
	return w
}

// told is a host that is the master, has what its command needs, and has run it.
func told(w Wanted) facts.Facts {
	f := running(w)
	i := w.Config.Instances[0]
	f.Scripts[w.File.Scripts[1].Path] = w.File.Scripts[1].SHA256()
	f.HasNotices, f.Uptime = true, time.Minute
	f.Secrets = map[string]string{"/etc/keepalived/edgelb/secrets/web/token": fmt.Sprintf("%x", sha256.Sum256([]byte("old")))}
	f.Notices = map[string]facts.Notice{"web": {ID: cfg.NotifierOf(i), State: facts.NoticeRan, At: time.Second}}
	for _, prefix := range append([]netip.Prefix{i.Carrier()}, i.Addresses...) {
		f.Addresses = append(f.Addresses, facts.Address{Interface: "eth0", Prefix: prefix})
	}
	return f
}

func TestAMasterRunsItsCommandAndHasWhatItNeeds(t *testing.T) {
	t.Parallel()
	w := notifying(t, "old")
	for name, test := range map[string]struct {
		change func(*facts.Facts, *Wanted)
		want   Action
		reason string
	}{
		"it was told":           {func(*facts.Facts, *Wanted) {}, NoOp, ""},
		"it failed":             {func(f *facts.Facts, _ *Wanted) { setNotice(f, func(n *facts.Notice) { n.State = facts.NoticeFailed }) }, NoOp, ""},
		"it runs":               {func(f *facts.Facts, _ *Wanted) { setNotice(f, func(n *facts.Notice) { n.State = facts.NoticeRunning }) }, NoOp, ""},
		"it was never run":      {func(f *facts.Facts, _ *Wanted) { f.Notices = nil }, Notify, "the command of web was not run"},
		"another one was run":   {func(f *facts.Facts, _ *Wanted) { setNotice(f, func(n *facts.Notice) { n.ID = "0123456789abcdef" }) }, Notify, "was not run"},
		"it left and returned":  {func(f *facts.Facts, _ *Wanted) { setNotice(f, func(n *facts.Notice) { n.State = facts.NoticeLeft }) }, Notify, "was not run"},
		"of before a reboot":    {func(f *facts.Facts, _ *Wanted) { setNotice(f, func(n *facts.Notice) { n.At = time.Hour }) }, Notify, "was not run"},
		"a backup":              {func(f *facts.Facts, _ *Wanted) { f.Notices, f.Addresses = nil, nil }, NoOp, ""},
		"the script was edited": {func(f *facts.Facts, w *Wanted) { f.Scripts[w.File.Scripts[1].Path] = "x" }, Reload, "a script of edgelb's was edited"},
		"a changed Secret":      {func(_ *facts.Facts, w *Wanted) { *w = notifying(t, "new") }, Prepare, "a file of a Secret is not as wanted"},
		"others can read it":    {func(f *facts.Facts, _ *Wanted) { f.Secrets["/etc/keepalived/edgelb/secrets/web/token"] = "" }, Prepare, "a file of a Secret is not as wanted"},
		"one file too many":     {func(f *facts.Facts, _ *Wanted) { f.Secrets["/etc/keepalived/edgelb/secrets/web/old"] = "x" }, Prepare, "that nobody needs"},
		"one of another":        {func(f *facts.Facts, _ *Wanted) { f.Secrets["/etc/keepalived/edgelb/secrets/webs/old"] = "x" }, Prepare, "that nobody needs"},
		"the Secret is gone": {func(_ *facts.Facts, w *Wanted) {
			w.Secrets = map[string]keepalived.Secret{"web": {Trouble: "it does not exist"}}
		}, NoOp, ""},
		"no folder for the results": {func(f *facts.Facts, _ *Wanted) { f.HasNotices = false }, Prepare, "no folder for the results of commands"},
	} {
		f, w := told(w), w
		test.change(&f, &w)
		got := Compute(Observed{Facts: f}, w)
		if got.Action != test.want || (test.reason == "") != (len(got.Reasons) == 0) || (test.reason != "" && !strings.Contains(got.Reasons[0], test.reason)) {
			t.Errorf("%s: %+v, want %s because %q", name, got, test.want, test.reason)
		}
	}
}

func setNotice(f *facts.Facts, change func(*facts.Notice)) {
	notice := f.Notices["web"]
	change(&notice)
	f.Notices["web"] = notice
}

func TestOnlyWhatSomebodyElseDidToASecretIsDrift(t *testing.T) {
	t.Parallel()
	w, changed := notifying(t, "old"), notifying(t, "new")
	previous := Previous{Hash: w.File.Hash, Secrets: w.SecretsHash()}
	f := told(w)
	if got := Compute(Observed{Facts: f, Previous: previous}, changed); got.Action != Prepare || len(got.Drift) > 0 {
		t.Errorf("a changed Secret: %+v", got)
	}
	f.Secrets = nil
	if got := Compute(Observed{Facts: f, Previous: previous}, w); got.Action != Prepare || len(got.Drift) == 0 {
		t.Errorf("a file that was removed: %+v", got)
	}
	f = told(w)
	f.Notices = nil
	if got := Compute(Observed{Facts: f, Previous: previous}, w); got.Action != Notify || len(got.Drift) > 0 {
		t.Errorf("a command that was not run: %+v", got)
	}
}
