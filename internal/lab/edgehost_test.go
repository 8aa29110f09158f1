package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/waiting"
)

func TestEdgeHostRunsCommandsOverSSH(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 1})
	if got, want := run(t, h, "printf '%s ' $USER; cat "+h.ConfigPath), h.User+" "+readConfig(t, h); got != want {
		t.Errorf("output %q, want %q", got, want)
	}
}

func TestEdgeHostForwardsUnixSockets(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 2})
	conn, err := dialSSH(t, h).Dial("unix", h.AdminSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, "show version"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 2)
	if _, err := conn.Read(answer); err != nil || string(answer) != "2." && string(answer) != "3." {
		t.Errorf("answer %q, %v; want HAProxy's version", answer, err)
	}
}

func TestKnownHostsAcceptTheHostUntilItsKeysAreRotated(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 3})
	before := knownHostsCallback(t, h)
	if err := dialTrusting(h, before); err != nil {
		t.Fatal(err)
	}
	if err := h.RotateHostKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	var changed *knownhosts.KeyError
	if err := dialTrusting(h, before); !errors.As(err, &changed) || len(changed.Want) == 0 {
		t.Errorf("with the old keys: %v, want a changed key", err)
	}
	if err := dialTrusting(h, knownHostsCallback(t, h)); err != nil {
		t.Errorf("with the new keys: %v", err)
	}
}

func TestHostKeysAreThoseThatTheHostShows(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 4, WithoutHAProxy: true})
	pins, err := h.HostKeys()
	if err != nil {
		t.Fatal(err)
	}
	var shown string
	_ = dialTrusting(h, func(_ string, _ net.Addr, key ssh.PublicKey) error {
		shown = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		return nil
	})
	if !slices.Contains(pins, shown) {
		t.Errorf("the host shows %s, which is none of %v", shown, pins)
	}
}

func TestOnlyAuthorizedKeysLogIn(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 5, WithoutHAProxy: true})
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	other, err := ssh.NewPublicKey(public)
	must(t, err)
	own := h.PrivateKey
	h.PrivateKey, err = marshalPrivateKey(private)
	must(t, err)
	refuse := func(when string) {
		t.Helper()
		if client, err := h.DialSSH(t.Context()); err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
			t.Errorf("%s: client %v, error %v, want no authentication", when, client, err)
		}
	}
	refuse("another key")
	must(t, h.AuthorizeAlso(other))
	dialSSH(t, h)
	must(t, h.Authorize())
	refuse("another key, no longer authorized")
	h.PrivateKey = own
	dialSSH(t, h)
	must(t, h.Deauthorize())
	refuse("the host's own key, no longer authorized")
}

func TestStoppedSSHCutsSessionsAndRefuses(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 6, WithoutHAProxy: true})
	client := dialSSH(t, h)
	h.StopSSH()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = client.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(waiting.Long):
		t.Error("the session is still open")
	}
	if _, err := h.DialSSH(t.Context()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("new connection: %v, want %v", err, unix.ECONNREFUSED)
	}
	must(t, h.StartSSH(t.Context()))
	dialSSH(t, h)
}

func TestFrozenSSHAnswersNothingUntilItThaws(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 7, WithoutHAProxy: true})
	client := dialSSH(t, h)
	h.Freeze()
	alive := make(chan error, 1)
	go func() {
		_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
		alive <- err
	}()
	select {
	case err := <-alive:
		t.Fatalf("a frozen host answers (%v)", err)
	case <-time.After(200 * time.Millisecond):
	}
	h.Thaw()
	select {
	case err := <-alive:
		must(t, err)
	case <-time.After(waiting.Long):
		t.Error("a thawed host does not answer")
	}
}

func TestHAProxyIsRestartedAndKilled(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 8})
	master, worker := pids(t, h)
	if info, err := h.Info(t.Context()); err != nil || info["Pid"] != fmt.Sprint(worker) {
		t.Errorf("show info: PID %s, %v; want %d", info["Pid"], err, worker)
	}
	must(t, h.StopHAProxy())
	if _, err := h.Info(t.Context()); err == nil {
		t.Error("a stopped HAProxy answers")
	}
	must(t, h.StartHAProxy(t.Context()))
	if again, other := pids(t, h); again == master || other == worker {
		t.Errorf("master %d and worker %d as before", again, other)
	}
	h.KillHAProxy()
	if _, err := h.Info(t.Context()); err == nil {
		t.Error("a killed HAProxy answers")
	}
}

func TestEdgeHostStartsWithTheGivenConfiguration(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 9, Name: "edge", WithoutHAProxy: true})
	if _, err := h.ReadConfig(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without HAProxy: %v, want no file", err)
	}
	config := "global\n    description mine\n    stats socket " + h.AdminSocket + " level admin\n"
	must(t, h.WriteConfig(config))
	must(t, h.StartHAProxy(t.Context()))
	if info, err := h.Info(t.Context()); err != nil || info["description"] != "mine" {
		t.Errorf("description %q, %v", info["description"], err)
	}
	if got := readConfig(t, h); got != config {
		t.Errorf("haproxy.cfg is %q", got)
	}
}

func TestEdgeHostThatCannotStartIsAnErrorAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]EdgeHostOptions{
		"number 0":         {Number: 0},
		"number 251":       {Number: 251},
		"no such HAProxy":  {Number: 10, HAProxy: "/nonexistent/haproxy"},
		"a faulty config":  {Number: 10, Config: "nonsense\n"},
		"a directory path": {Number: 10, Name: "no/such/parent"},
	} {
		if h, err := StartEdgeHost(t.Context(), options); err == nil {
			t.Errorf("%s: no error", name)
			must(t, h.Close())
		}
	}
	if _, err := os.Stat(filepath.Join(Dir(), "gw10")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files are left: %v", err)
	}
}

func TestClosedEdgeHostLeavesNoProcessAndNoFile(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 11})
	session, err := dialSSH(t, h).NewSession()
	must(t, err)
	must(t, session.Start("exec sleep 1000"))
	namespace := processNamespace(strconv.Itoa(h.haproxy.PID()))
	if err := nobodyIn(namespace); err == nil {
		t.Fatalf("no process in %q, where HAProxy runs", namespace)
	}
	begin := time.Now()
	for range 2 {
		must(t, h.Close())
	}
	if took := time.Since(begin); took > waiting.Of(5*time.Second) {
		t.Errorf("closing took %s", took)
	}
	if _, err := os.Stat(h.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files are left: %v", err)
	}
	Eventually(t, func() error { return nobodyIn(namespace) })
}

// processNamespace returns the PID namespace of a running process.
func processNamespace(pid string) string {
	namespace, _ := os.Readlink("/proc/" + pid + "/ns/pid")
	return namespace
}

// nobodyIn returns nil if no process is in the PID namespace.
func nobodyIn(namespace string) error {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, p := range processes {
		if processNamespace(p.Name()) == namespace {
			return fmt.Errorf("process %s is left", p.Name())
		}
	}
	return nil
}

func startHost(t *testing.T, options EdgeHostOptions) *EdgeHost {
	t.Helper()
	h, err := StartEdgeHost(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, h.Close()) })
	LogOnFailure(t, h)
	return h
}

func dialSSH(t *testing.T, h *EdgeHost) *ssh.Client {
	t.Helper()
	client, err := h.DialSSH(t.Context())
	must(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func run(t *testing.T, h *EdgeHost, command string) string {
	t.Helper()
	session, err := dialSSH(t, h).NewSession()
	must(t, err)
	output, err := session.CombinedOutput(command)
	must(t, err)
	return string(output)
}

// dialTrusting connects as the host's user, with the given host key check.
func dialTrusting(h *EdgeHost, trust ssh.HostKeyCallback) error {
	signer, err := ssh.ParsePrivateKey(h.PrivateKey)
	if err != nil {
		return err
	}
	client, err := ssh.Dial("tcp", netip.AddrPortFrom(h.Address, h.Port).String(), &ssh.ClientConfig{
		User: h.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: trust,
	})
	if err != nil {
		return err
	}
	return client.Close()
}

func knownHostsCallback(t *testing.T, h *EdgeHost) ssh.HostKeyCallback {
	t.Helper()
	lines, err := h.KnownHosts()
	must(t, err)
	file := filepath.Join(t.TempDir(), "known_hosts")
	must(t, os.WriteFile(file, []byte(lines), 0o600))
	callback, err := knownhosts.New(file)
	must(t, err)
	return callback
}

func pids(t *testing.T, h *EdgeHost) (master, worker int) {
	t.Helper()
	// HAProxy 2.6 closes its master's socket for a moment while it re-executes itself.
	Eventually(t, func() (err error) {
		if master, err = h.MasterPID(t.Context()); err == nil {
			worker, err = h.WorkerPID(t.Context())
		}
		return err
	})
	return master, worker
}

func readConfig(t *testing.T, h *EdgeHost) string {
	t.Helper()
	config, err := h.ReadConfig()
	must(t, err)
	return config
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
