package install

import (
	"context"
	"errors"
	"strings"
	"testing"

	haproxy "github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/keepalived"
	keepaliveddriver "github.com/edgelb/edgelb/internal/keepalived/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// host answers each script with the same words, as its account may.
type host struct {
	session.Conn
	stdout, stderr string
	exit           int
	// lacksSudo says that sudo asks for a password.
	lacksSudo bool
	// installs counts the calls that could install something.
	installs int
}

func (h *host) Release() {}

func (h *host) Run(_ context.Context, command string, input []byte, _ session.Limit) (session.Result, error) {
	marker, rest, _ := strings.Cut(string(input), " ")
	elevated := strings.HasPrefix(command, "sudo ")
	if elevated && h.lacksSudo {
		return session.Result{Stderr: []byte("sudo: a password is required\n"), Exit: 1}, nil
	}
	own := func(stdout, stderr string, exit int) (session.Result, error) {
		return session.Result{Stdout: []byte(marker + "\n" + stdout), Stderr: []byte(marker + "\n" + stderr), Exit: exit}, nil
	}
	if !strings.Contains(rest, "/run/edgelb-install") {
		return own("direct\n", "", 0)
	}
	h.installs++
	if !elevated && !strings.Contains(rest, "root") {
		return session.Result{}, errors.New("it is not run as root")
	}
	return own(h.stdout, h.stderr, h.exit)
}

var lacking = model.Outcome{State: model.Rejected, Message: "HAProxy is not installed", LacksPackage: true}

// sync syncs a host that has HAProxy from the second time on.
func sync(first model.Outcome) (HAProxySync, *int) {
	count := 0
	return func(context.Context, session.Conn, *haproxy.SyncCache, haproxy.Request) model.Outcome {
		count++
		if count == 1 {
			return first
		}
		return model.Outcome{State: model.Synced}
	}, &count
}

func TestAHostInstallsWhatItLacksAndMayInstall(t *testing.T) {
	t.Parallel()
	may := haproxy.Request{Login: "root", Install: []string{"haproxy", "keepalived"}}
	with := func(edit func(*haproxy.Request)) haproxy.Request {
		req := may
		edit(&req)
		return req
	}
	for name, test := range map[string]struct {
		host      host
		first     model.Outcome
		req       haproxy.Request
		wantState model.State
		wantWords []string
		wantCalls int
		wantSyncs int
	}{
		"it installs":           {host{stdout: "running 0 17 installing haproxy\n"}, lacking, may, model.Installing, []string{"what is missing is being installed (haproxy and keepalived): installing haproxy"}, 1, 1},
		"it has just installed": {host{stdout: "done\n"}, lacking, may, model.Synced, nil, 1, 2},
		"it failed": {host{stdout: "failed apt-get does not install haproxy: E: no space. Make room\n"}, lacking, may, model.Rejected,
			[]string{"the installation of haproxy and keepalived failed: apt-get does not install haproxy: E: no space. Make room"}, 1, 1},
		"it tries again after a failure": {host{stdout: "running 3 17 installing haproxy\nfailed E: no space\n"}, lacking, may, model.Rejected, []string{"failed: E: no space"}, 1, 1},
		"it does not end": {host{stdout: "running 1201 17 installing haproxy\nfailed E: no space\n"}, lacking, may, model.Rejected,
			[]string{"does not end (installing haproxy)", "/run/edgelb-install/output", "end process 17"}, 1, 1},
		"it says nothing": {host{}, lacking, may, model.Rejected, []string{"has ended without a result", "/run/edgelb-install/output"}, 1, 1},
		"it cannot begin": {host{stderr: "cat: write error: No space left on device\n", exit: 3}, lacking, may, model.Rejected,
			[]string{"cannot be started: cat: write error: No space left on device", "Make room in /run"}, 1, 1},
		"sudo asks for a password": {host{lacksSudo: true}, lacking, with(func(r *haproxy.Request) { r.Login = "edge" }), model.Unauthorized,
			[]string{"edge cannot install packages, since sudo refuses (sudo: a password is required)", "edge ALL=(root) NOPASSWD: /bin/sh", "or install haproxy and keepalived there"}, 0, 1},
		"an account that may write is root for that": {host{stdout: "running 0 17 x\n"}, lacking, with(func(r *haproxy.Request) { r.Login = "edge" }), model.Installing, nil, 1, 1},
		"it may not":                       {host{}, lacking, with(func(r *haproxy.Request) { r.Install = nil }), model.Rejected, []string{"HAProxy is not installed"}, 0, 1},
		"it is suspended":                  {host{}, lacking, with(func(r *haproxy.Request) { r.Suspend = true }), model.Rejected, nil, 0, 1},
		"only endpoints are brought":       {host{}, lacking, with(func(r *haproxy.Request) { r.RuntimeOnly = true }), model.Rejected, nil, 0, 1},
		"somebody has removed it":          {host{}, lacking, with(func(r *haproxy.Request) { r.ReportDrift, r.Proved = true, "1f0c" }), model.Rejected, nil, 0, 1},
		"drift is reported, and it is new": {host{stdout: "done\n"}, lacking, with(func(r *haproxy.Request) { r.ReportDrift = true }), model.Synced, nil, 1, 2},
		"something else is wrong":          {host{}, model.Outcome{State: model.Rejected}, may, model.Rejected, nil, 0, 1},
		"it is synced":                     {host{}, model.Outcome{State: model.Synced, LacksPackage: true}, may, model.Synced, nil, 0, 1},
		"hostile words":                    {host{stdout: "running 1 x \x1b[31mred\u202e\nfailed\n"}, lacking, may, model.Rejected, []string{"failed: "}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrapped, syncs := sync(test.first)
			got := HAProxy(wrapped)(t.Context(), &test.host, nil, test.req)
			if got.State != test.wantState || test.host.installs != test.wantCalls || *syncs != test.wantSyncs {
				t.Errorf("got %s (%s) after %d calls and %d syncs, want %s, %d and %d", got.State, got.Message, test.host.installs, *syncs, test.wantState, test.wantCalls, test.wantSyncs)
			}
			for _, want := range test.wantWords {
				if !strings.Contains(got.Message, want) {
					t.Errorf("it says %q, want %q", got.Message, want)
				}
			}
		})
	}
}

func TestKeepalivedIsInstalledLikeHAProxy(t *testing.T) {
	t.Parallel()
	first := true
	sync := Keepalived(func(context.Context, session.Conn, *keepaliveddriver.Cache, keepaliveddriver.Request) keepalived.Outcome {
		defer func() { first = false }()
		if first {
			return keepalived.Outcome{State: model.Rejected, LacksPackage: true, Message: "keepalived is not installed"}
		}
		return keepalived.Outcome{State: model.Synced}
	})
	req := keepaliveddriver.Request{Login: "root"}
	if got := sync(t.Context(), &host{}, nil, req); got.State != model.Rejected {
		t.Errorf("without leave it is %s", got.State)
	}
	first, req.Install = true, []string{"keepalived"}
	if got := sync(t.Context(), &host{stdout: "running 4 17 installing keepalived\n"}, nil, req); got.State != model.Installing || !strings.Contains(got.Message, "what is missing is being installed (keepalived): installing keepalived") {
		t.Errorf("it is %s: %s", got.State, got.Message)
	}
	first = true
	if got := sync(t.Context(), &host{stdout: "done\n"}, nil, req); got.State != model.Synced {
		t.Errorf("after that it is %s: %s", got.State, got.Message)
	}
}

func FuzzAnAnswerIsAStateWithAMessageThatIsFitForAStatus(f *testing.F) {
	f.Add("running 0 17 installing haproxy\nfailed x\n", 0)
	f.Add("running 99999999999999 \n", 0)
	f.Add("done\n", 0)
	f.Fuzz(func(t *testing.T, stdout string, exit int) {
		got := parse(session.Result{Stdout: []byte(stdout), Stderr: []byte(stdout), Exit: exit}, []string{"haproxy"})
		if got.done {
			return
		}
		if got.state != model.Installing && got.state != model.Rejected || got.message == "" || len(got.message) > 2*maxWords || strings.ContainsAny(got.message, "\n\x1b\x00") {
			t.Errorf("%q is %+v", stdout, got)
		}
	})
}
