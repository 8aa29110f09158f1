package e2e

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// crashed ends HAProxy on the second host, which has no init system to restart it, with the given crash. The status says how to
// fix it, and after the fix everything recovers.
func crashed(crash func(*shaken, *lab.EdgeHost)) func(*testing.T) {
	return func(t *testing.T) {
		s := sharedCluster(t).quiet(t, 2)
		s.startTraffic(s.gw1())
		crash(s, s.gw2())
		s.within(recovery, "HAProxy is down", func() string {
			if _, err := s.gw2().Info(t.Context()); err == nil {
				return "it answers"
			}
			return ""
		})
		s.changeEndpoints()

		s.within(recovery, "the other host follows", func() string { return s.wrongOn(0) })
		s.awaitHost(s.elb, s.gw2().Name, v1alpha1.HostRejected, "start it with haproxy -W")
		must(t, s.gw2().StartHAProxy(t.Context()))
		s.settle(45 * time.Second)
	}
}

// killWorker kills the serving process; the master exits as well.
func killWorker(s *shaken, host *lab.EdgeHost) {
	s.runOn(host, fmt.Sprintf("kill -9 %d", s.workerPID(host)))
}

func killMaster(_ *shaken, host *lab.EdgeHost) { host.KillHAProxy() }

// runOn runs a command line on a host, without the operator.
func (s *shaken) runOn(host *lab.EdgeHost, line string) string {
	s.t.Helper()
	client, err := host.DialSSH(s.t.Context())
	must(s.t, err)
	defer client.Close()
	session, err := client.NewSession()
	must(s.t, err)
	output, err := session.CombinedOutput(line)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", line, err, output)
	}
	return strings.TrimSpace(string(output))
}

// crashedService kills a process of HAProxy's service on a Debian; who says which. The service is restarted, by its init system or
// by the operator, with all servers.
func crashedService(options debian.Options, who string) func(*testing.T) {
	return func(t *testing.T) {
		programs.NeedRoot(t, "booting a Debian")
		// The clients of another host must not notice.
		sharedCluster(t).shake(t, 1)
		w := sharedCluster(t).newWorld(t)
		host := w.debian(options)
		app := w.app("web", haproxy.ProxyV2, "web-a")
		elb := w.onDebian(host)
		w.awaitReady(elb)
		must(t, app.AddPod(t.Context(), "web-b"))
		w.awaitServers(host, "web-a", "web-b")
		w.within(recovery, "the file has the server", func() string {
			config, err := host.ReadConfig()
			if err != nil || len(serversIn(config)) != 2 {
				return config
			}
			return ""
		})
		before := w.debianWorker(host)

		w.on(host, "kill -9 "+who)

		took := w.within(patience, "another HAProxy serves", func() string {
			now, err := host.WorkerPID(t.Context())
			if err != nil || now == before {
				return fmt.Sprintf("the worker is %d and was %d: %v", now, before, err)
			}
			return ""
		})
		t.Logf("HAProxy was back after %s", took.Round(time.Millisecond))
		w.awaitServers(host, "web-a", "web-b")
		must(t, app.DeletePod(t.Context(), "web-a"))
		w.awaitServers(host, "web-b")
		w.awaitReady(elb)
		w.awaitDebian(host, "web-b")
	}
}

// debianWorker waits for the answer: HAProxy 2.6 does not answer while it re-executes itself.
func (w *world) debianWorker(host *debian.Host) (pid int) {
	w.t.Helper()
	w.eventually("HAProxy says which worker serves", func() string {
		var err error
		if pid, err = host.WorkerPID(w.t.Context()); err != nil {
			return err.Error()
		}
		return ""
	})
	return pid
}

// configRoom is the size of a small disk.
const configRoom = 256 << 10

func smallDisk(o *lab.EdgeHostOptions) { o.ConfigRoom = configRoom }

// fullDisk fills the disk with the second host's haproxy.cfg.
func fullDisk(t *testing.T) {
	s := sharedCluster(t).shake(t, 2, smallDisk)
	undo, err := fault.FillDisk(s.gw2())
	must(t, err)
	s.unwritable("No space left on device", undo)
}

// pinnedFile makes it impossible to replace the second host's haproxy.cfg.
func pinnedFile(t *testing.T) {
	s := sharedCluster(t).shake(t, 2)
	how, undo, err := fault.PinConfig(s.gw2())
	must(t, err)
	t.Logf("the file is pinned by %s", how)
	s.unwritable("cannot be written", undo)
}

// unwritable changes endpoints while the file of the second host cannot be written, and undoes that. The changes must still be live
// there, as on the other host.
func (s *shaken) unwritable(text string, undo func() error) {
	s.t.Helper()
	before := s.allReloads()
	s.changeEndpoints()
	s.within(recovery, "the change is live", s.notLive)
	s.awaitHost(s.elb, s.gw2().Name, v1alpha1.HostRejected, text)
	s.changeEndpoints()
	s.within(recovery, "another change is live", s.notLive)
	s.within(recovery, "the other host has it in its file, too", func() string { return s.wrongOn(0) })
	must(s.t, undo())
	s.changeEndpoints()
	s.settle(45 * time.Second)
	s.requireNoReload(before)
}

// wrongClock has a host whose clock is a day ahead, and one whose clock is a day behind: for HAProxy and the operator's scripts.
func wrongClock(t *testing.T) {
	const day = 24 * time.Hour
	ahead, err := fault.Clock(day)
	must(t, err)
	behind, err := fault.Clock(-day)
	must(t, err)
	environments := [][]string{ahead, behind}
	hosts := 0
	s := sharedCluster(t).shake(t, len(environments), func(o *lab.EdgeHostOptions) {
		o.Env = environments[hosts]
		hosts++
	})
	for i, want := range []time.Duration{day, -day} {
		seconds, err := strconv.ParseInt(s.runOn(s.hosts[i], "date +%s"), 10, 64)
		must(t, err)
		if off := time.Until(time.Unix(seconds, 0)); math.Abs((off - want).Minutes()) > 1 {
			t.Fatalf("the clock of %s is wrong by %s, want %s", s.hosts[i].Name, off, want)
		}
	}
	for _, do := range []change{
		(*shaken).changeEndpoints, (*shaken).changeListeners, (*shaken).changeEndpoints, (*shaken).changeListeners,
	} {
		do(s)
		s.recovers("with wrong clocks")
	}
}

// secretRotated removes the Secret's key from the host, and puts another one into the Secret.
func secretRotated(t *testing.T) {
	s := sharedCluster(t).shake(t, 1)
	next := privateKey(t, "")
	signer, err := ssh.ParsePrivateKey(next)
	must(t, err)
	must(t, s.gw1().AuthorizeOnly(signer.PublicKey()))
	s.changeEndpoints()
	s.gw1().StopSSH()
	must(t, s.gw1().StartSSH(t.Context()))
	s.awaitHost(s.elb, s.gw1().Name, v1alpha1.HostUnauthorized, "authorized_keys")

	s.setSecret("ssh-privatekey", next)

	s.recovers("after the key was rotated")
	s.changeEndpoints()
	s.recovers("with the other key")
}

// hostKeyRotated gives the host the other of two pinned keys.
func hostKeyRotated(t *testing.T) {
	s := sharedCluster(t).shake(t, 1)
	present, err := s.gw1().HostKeys()
	must(t, err)
	next, err := s.gw1().NextHostKeys()
	must(t, err)
	s.setSecret("known_hosts", []byte(strings.Join(knownHostsLines(s.gw1(), append(present, next...)), "\n")))
	s.changeEndpoints()
	s.recovers("with both keys pinned")

	must(t, s.gw1().RotateHostKey(t.Context()))
	s.changeEndpoints()

	s.recovers("after the key was rotated")
}
