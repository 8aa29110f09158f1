package driver_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/driver"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/pair"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
)

const (
	debian12 = "../../../bin/debian-12-keepalived"
	debian13 = "../../../bin/debian-13-keepalived"
	// checkSocket is where HAProxy of the hosts answers keepalived's check.
	checkSocket = "/run/haproxy/check.sock"
	// port is where the hosts serve clients.
	port = 8080
)

// lastPair numbers the pairs, whose networks differ by it.
var lastPair atomic.Int32

// edge is a pair of hosts that serve clients, and what the driver knows of them.
type edge struct {
	*pair.Pair
	t      *testing.T
	hosts  []*edgeHost
	family family
}

func (e *edge) in(t *testing.T) *edge {
	own := *e
	own.t, own.hosts = t, nil
	for _, h := range e.hosts {
		h.t = t
		own.hosts = append(own.hosts, h)
	}
	return &own
}

// edgeHost is a host of the pair, as the driver sees it.
type edgeHost struct {
	*pair.Host
	t     *testing.T
	edge  *edge
	conn  *connection
	cache driver.Cache
	// request is what is wanted of the host.
	request driver.Request
}

// connection is an ssh.Conn as a session.Conn. It counts the commands.
type connection struct {
	*ssh.Conn
	commands atomic.Int32
}

func (c *connection) Run(ctx context.Context, command string, input []byte, limit session.Limit) (session.Result, error) {
	c.commands.Add(1)
	stdout, stderr, exit, err := c.Conn.Run(ctx, command, input, answer.Limit(limit))
	return session.Result{Stdout: stdout, Stderr: stderr, Exit: exit}, err
}

func (c *connection) Start(context.Context, string, session.Limit) (session.Stream, error) {
	return nil, errors.New("the driver of keepalived needs no stream")
}

func (c *connection) DialUnix(context.Context, string, session.Limit) (session.Stream, error) {
	return nil, errors.New("the driver of keepalived needs no socket")
}

// startEdge boots a pair on which HAProxy serves clients at all addresses. keepalived does not run.
func startEdge(t *testing.T, options pair.Options) *edge {
	t.Helper()
	options.Number = int(lastPair.Add(1))
	p, err := pair.Start(t.Context(), options)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	lab.LogOnFailure(t, p)
	backend, err := lab.StartBackend(t.Context(), lab.BackendOptions{Name: "pod", Addresses: lab.PodAddresses(options.Number), Port: port})
	must(t, err)
	t.Cleanup(func() { must(t, backend.Close()) })
	e := &edge{Pair: p, t: t, family: family{change: bothFamilies}}
	for _, h := range p.Hosts {
		host := &edgeHost{Host: h, t: t, edge: e, conn: dial(t, h)}
		host.request = driver.Request{Login: h.User}
		e.hosts = append(e.hosts, host)
		host.logOnFailure(t)
		host.serve(lab.PodAddresses(options.Number), !options.WithoutScriptUser)
	}
	e.want(time.Second)
	return e
}

func dial(t *testing.T, h *pair.Host) *connection {
	t.Helper()
	login, err := credentials.Parse(credentials.Files{PrivateKey: h.PrivateKey})
	must(t, err)
	keys, err := h.HostKeys()
	must(t, err)
	conn, err := ssh.Dial(t.Context(), ssh.Target{
		Address: h.Address.String(), Port: int(h.Port), User: h.User, Credentials: login, HostKeys: keys, ConnectTimeout: time.Minute,
		Keepalive: time.Minute,
	})
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &connection{Conn: conn}
}

func (h *edgeHost) logOnFailure(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := h.KeepalivedLog(context.Background())
			t.Logf("keepalived of %s:\n%s", h.Name, log)
		}
	})
}

// serve has HAProxy of the host serve clients, and answer the check.
func (h *edgeHost) serve(pod lab.Addresses, check bool) {
	h.t.Helper()
	config, err := h.ReadConfig()
	must(h.t, err)
	if check {
		config = strings.Replace(config, "global\n", fmt.Sprintf("global\n\tstats socket %s user %s mode 600 level user\n", checkSocket, keepalived.ScriptUser), 1)
	}
	must(h.t, h.WriteFile(h.ConfigPath, config+fmt.Sprintf(`
listen v4
	mode tcp
	bind ipv4@:%[1]d
	server pod %[2]s
listen v6
	mode tcp
	bind ipv6@:%[1]d v6only
	server pod %[3]s
`, port, netip.AddrPortFrom(pod.IPv4, port), netip.AddrPortFrom(pod.IPv6, port)), 0o644))
	must(h.t, h.NoRestart(h.t.Context(), pair.HAProxy))
	must(h.t, h.Service(h.t.Context(), pair.HAProxy, "restart"))
}

// want sets what is wanted of the hosts.
func (e *edge) want(advertisement time.Duration, numbers ...int) {
	for i, h := range e.hosts {
		h.request.Config = e.config(i, advertisement, numbers...)
	}
}

// config returns the configuration of the host with that index: the first one has the highest priority.
func (e *edge) config(index int, advertisement time.Duration, numbers ...int) *keepalived.Config {
	i := keepalived.Instance{
		Name: "edge", Interface: pair.Interface, RouterID: 51, Priority: 250 - index, Advertisement: advertisement,
		Source: e.Hosts[index].Address,
	}
	for other, h := range e.Hosts {
		if other != index {
			i.Peers = append(i.Peers, h.Address)
		}
	}
	for _, number := range append([]int{0}, numbers...) {
		i.Addresses = append(i.Addresses, netip.PrefixFrom(e.VirtualIP(number).IPv4, 24), netip.PrefixFrom(e.VirtualIP(number).IPv6, 64))
	}
	e.family.change(e, index, &i)
	return &keepalived.Config{Owner: "test/ns", Host: e.Hosts[index].Name + ":22", CheckSocket: checkSocket, Instances: []keepalived.Instance{i}}
}

func (h *edgeHost) sync() driver.Outcome {
	h.t.Helper()
	outcome := driver.Sync(h.t.Context(), h.conn, &h.cache, h.request)
	h.t.Logf("sync of %s: %+v", h.Name, outcome)
	return outcome
}

func (h *edgeHost) look() driver.Outcome {
	return driver.Look(h.t.Context(), h.conn, &h.cache, h.request)
}

// mustSync syncs a host that must be as wanted then.
func (h *edgeHost) mustSync() driver.Outcome {
	h.t.Helper()
	outcome := h.sync()
	if outcome.State != model.Synced || outcome.Fingerprint == "" {
		h.t.Fatalf("%s is %s: %s", h.Name, outcome.State, outcome.Message)
	}
	return outcome
}

// awaitRole waits until the host is that for its instance.
func (h *edgeHost) awaitRole(want keepalived.Role) driver.Outcome {
	h.t.Helper()
	var outcome driver.Outcome
	lab.Eventually(h.t, func() error {
		outcome = h.look()
		if got := outcome.Roles["edge"]; got != want {
			return fmt.Errorf("%s is %q, want %s: %+v", h.Name, got, want, outcome)
		}
		return nil
	})
	return outcome
}

// awaitRoles waits until each host is what is wanted.
func (e *edge) awaitRoles(want ...keepalived.Role) {
	e.t.Helper()
	for i, role := range want {
		e.hosts[i].awaitRole(role)
	}
}

// requireHolder checks that the host, and no other, holds all of the configured addresses.
func (e *edge) requireHolder(index int) {
	e.t.Helper()
	for _, prefix := range e.hosts[index].request.Config.Instances[0].Addresses {
		holders, err := e.Holders(prefix.Addr())
		must(e.t, err)
		if !slices.Equal(holders, e.Hosts[index:index+1]) {
			e.t.Errorf("%s is on %d hosts, want it on host %d only", prefix.Addr(), len(holders), index)
		}
	}
}

// master returns the only host that holds the addresses.
func (e *edge) master() *edgeHost {
	e.t.Helper()
	var master *edgeHost
	lab.Eventually(e.t, func() error {
		var masters []*edgeHost
		for _, h := range e.hosts {
			if h.look().Roles["edge"] == keepalived.Master {
				masters = append(masters, h)
			}
		}
		if len(masters) != 1 {
			return fmt.Errorf("there are %d masters", len(masters))
		}
		master = masters[0]
		return nil
	})
	return master
}

// other returns the host that is not this one.
func (e *edge) other(h *edgeHost) *edgeHost {
	if e.hosts[0] == h {
		return e.hosts[1]
	}
	return e.hosts[0]
}

// requireNoMove checks that no host but the first one ever was the master.
func (e *edge) requireNoMove() {
	e.t.Helper()
	log, err := e.hosts[1].KeepalivedLog(e.t.Context())
	must(e.t, err)
	if strings.Contains(log, "MASTER STATE") {
		e.t.Errorf("keepalived of the second host says\n%s", log)
	}
}

// servedAt are the first virtual addresses, at which the hosts serve clients.
func (e *edge) servedAt() []netip.AddrPort {
	var at []netip.AddrPort
	for _, prefix := range e.hosts[0].request.Config.Instances[0].Addresses {
		if addr := prefix.Addr(); slices.Contains(e.VirtualIP(0).All(), addr) {
			at = append(at, netip.AddrPortFrom(addr, port))
		}
	}
	return at
}

// startLoad connects to the first virtual addresses all the time.
func (e *edge) startLoad() *fault.Traffic {
	e.t.Helper()
	load := fault.Load{Rate: 50}
	for _, at := range e.servedAt() {
		lab.Eventually(e.t, func() error {
			_, err := e.Client().Get(e.t.Context(), at)
			return err
		})
		load.At = append(load.At, at)
	}
	traffic, err := fault.StartTraffic(e.t.Context(), e.Client(), load)
	must(e.t, err)
	return traffic
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
