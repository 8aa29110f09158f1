package controllers

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edgelb/edgelb/controllers/signals"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// fakeHosts replaces package driver: it implements Connector, and driver.Sync over its connections.
type fakeHosts struct {
	signals *signals.Signals

	// hanging counts the attempts that hang, and reloading the reloads in progress, of which there were at most mostReloading.
	hanging                  atomic.Int32
	reloading, mostReloading int

	mu    sync.Mutex
	hosts map[string]*fakeHost
}

// fakeHost is one host, by its address.
type fakeHost struct {
	// privateKey is the accepted one.
	privateKey string
	// dialError, if not nil, is the error of every connection.
	dialError *model.Error
	// letIn is the namespace whose Secret last logged in.
	letIn string
	// unreachableFor is the user for whom the host is unreachable.
	unreachableFor string
	// outcome, if not nil, is that of every attempt; if it is live, not of those that only update servers.
	outcome *model.Outcome
	// hang, if not nil, blocks connections to the host until it is closed; dialling reports that there is an attempt.
	hang     chan struct{}
	dialling bool
	// hangs, if not nil, blocks the end of every attempt until it is closed.
	hangs chan struct{}
	// hangsBack, if not nil, blocks the attempts that bring back an earlier configuration until it is closed.
	hangsBack chan struct{}
	// unhealthy, if not nil, says whether all servers of a configuration are down, and rejects whether it is rejected.
	unhealthy, rejects func(haproxy.Config) bool
	// latency is the duration of an attempt, and reloadTime that of a reload.
	latency, reloadTime time.Duration
	// egress is the address from which the host sees the operator.
	egress netip.Addr

	running   haproxy.Config
	former    haproxy.Config
	connects  int
	syncs     int
	reloads   int
	changes   int
	forgotten int
	first     driver.Request
	last      driver.Request
	users     []string
	pins      []string
}

type fakeConn struct {
	driver.Conn
	address string
}

func newFakeHosts() *fakeHosts {
	return &fakeHosts{hosts: map[string]*fakeHost{}}
}

// set changes a host, and see returns a copy of it.
func (f *fakeHosts) set(address string, change func(*fakeHost)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.host(address))
}

func (f *fakeHosts) see(address string) fakeHost {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *f.host(address)
}

func (f *fakeHosts) host(address string) *fakeHost {
	if f.hosts[address] == nil {
		f.hosts[address] = &fakeHost{privateKey: "right"}
	}
	return f.hosts[address]
}

func (f *fakeHosts) Connect(key model.HostID, login desired.Login, secret map[string][]byte) (driver.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	host := f.host(key.Address)
	if host.dialling {
		return nil, ErrConnecting
	}
	host.connects++
	host.users, host.pins = append(host.users, login.User), login.HostKeys
	if host.isSilent() {
		host.dialling = true
		go f.dialled(key, host.hang)
		return nil, ErrConnecting
	}
	dialError, right := host.dialError, host.privateKey
	switch {
	case len(secret["ssh-privatekey"]) == 0:
		return nil, &model.Error{State: model.Pending, Message: "the private key is missing"}
	case dialError != nil:
		return nil, dialError
	case login.User == host.unreachableFor && login.User != "":
		return nil, &model.Error{State: model.Unreachable, Message: "nothing answers"}
	case string(secret["ssh-privatekey"]) != right:
		return nil, &model.Error{State: model.Unauthorized, Message: "the key is refused"}
	}
	host.letIn = login.Secret.Namespace
	return fakeConn{address: key.Address}, nil
}

// Former returns a connection for the namespace that last logged in, unless the host is unreachable or the Secret revokes its key.
func (f *fakeHosts) Former(key model.HostID, login desired.Login, secret map[string][]byte) driver.Conn {
	if host := f.see(key.Address); host.letIn != login.Secret.Namespace || host.dialError != nil ||
		string(secret["known_hosts"]) == "revoked" {
		return nil
	}
	return fakeConn{address: key.Address}
}

func (h *fakeHost) isSilent() bool {
	select {
	case <-h.hang:
		return false
	default:
		return h.hang != nil
	}
}

// dialled signals when a host can be connected to.
func (f *fakeHosts) dialled(key model.HostID, hang chan struct{}) {
	<-hang
	f.set(key.Address, func(h *fakeHost) { h.dialling = false })
	f.signals.Dialled(key)
}

// Certificate returns the end of a certificate, as the Secret has it.
func (f *fakeHosts) Certificate(_ desired.Login, secret map[string][]byte) model.Validity {
	end, err := time.Parse(time.RFC3339, string(secret["ssh-privatekey-cert.pub"]))
	if err != nil {
		return model.Validity{}
	}
	return model.Validity{From: end.Add(-100 * time.Hour), To: end}
}

func (f *fakeHosts) Forget(key model.HostID) {
	f.set(key.Address, func(h *fakeHost) { h.forgotten++ })
}

func (f *fakeHosts) sync(_ context.Context, conn driver.Conn, _ *driver.SyncCache, request driver.Request) model.Outcome {
	address := conn.(fakeConn).address
	time.Sleep(f.see(address).latency)
	if hangs := f.see(address).hangs; hangs != nil {
		f.hanging.Add(1)
		<-hangs
		f.hanging.Add(-1)
	}
	if hangs := f.see(address).hangsBack; hangs != nil && request.Back {
		<-hangs
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	host := f.host(address)
	host.syncs++
	if host.last = request; host.syncs == 1 {
		host.first = request
	}
	switch {
	case host.outcome != nil && !(host.outcome.Live && request.RuntimeOnly):
		return *host.outcome
	case len(host.running.Frontends) > 0 && host.running.Owner != request.Config.Owner && !request.Adopt:
		return refusedFile()
	case request.Suspend:
		return model.Outcome{State: model.Suspended, Message: "would reload"}
	}
	outcome := model.Outcome{State: model.Synced, HAProxyVersion: "2.6.12", Egress: host.egress, Servers: map[string]model.ServerCount{}}
	for _, backend := range request.Config.Backends {
		outcome.Servers[backend.Name] = model.ServerCount{Up: len(backend.Servers), Total: len(backend.Servers)}
	}
	if _, atRunTime := request.Config.ChangeFrom(host.running); !atRunTime {
		if request.Keep {
			recall(request, host.running)
			return model.Outcome{State: model.Pending, Kept: true, Message: "HAProxy must be reloaded"}
		}
		f.reload(host.reloadTime)
		if host.rejects != nil && host.rejects(request.Config) {
			return model.Outcome{State: model.Rejected, Message: "HAProxy refuses the configuration"}
		}
	}
	recall(request, host.former)
	if !reflect.DeepEqual(host.running, request.Config) {
		outcome.Changed, outcome.Update, outcome.Reasons = true, model.UpdateReload, []string{"something differs"}
		if _, atRunTime := request.Config.ChangeFrom(host.running); atRunTime {
			outcome.Update = model.UpdateRuntime
		} else {
			host.former = host.running
			host.reloads++
		}
		host.running = request.Config
		host.changes++
	}
	if host.unhealthy != nil && host.unhealthy(request.Config) {
		for name, count := range outcome.Servers {
			outcome.Servers[name] = model.ServerCount{Total: count.Total}
			outcome.Down = append(outcome.Down, model.DownServers{Backend: name, Count: count.Total})
		}
	}
	outcome.Fingerprint = fmt.Sprintf("%x", host.changes)
	return outcome
}

// recall answers what the files of a host know.
func recall(request driver.Request, config haproxy.Config) {
	if request.Recalled != nil {
		*request.Recalled = config
	}
}

// reload takes the time of a reload, without the lock.
func (f *fakeHosts) reload(took time.Duration) {
	f.reloading++
	f.mostReloading = max(f.mostReloading, f.reloading)
	f.mu.Unlock()
	time.Sleep(took)
	f.mu.Lock()
	f.reloading--
}

// refusedFile is package driver's outcome for a host whose file has another owner.
func refusedFile() model.Outcome {
	return model.Outcome{State: model.Refused, Message: "the file belongs to another owner"}
}
