package controllers

import (
	"context"
	"net/netip"
	"reflect"
	"sync"

	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/keepalived"
	keepaliveddriver "github.com/edgelb/edgelb/internal/keepalived/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// fakeKeepalived replaces package driver of keepalived: it implements its Sync and Look over the connections of fakeHosts.
type fakeKeepalived struct {
	mu       sync.Mutex
	machines map[string]*fakeMachine
}

// fakeMachine is keepalived on one host, by the host's address.
type fakeMachine struct {
	networks []keepalived.Network
	// withoutAccount is a host without the account of the check.
	withoutAccount bool
	// failure, if not nil, is the outcome of every sync.
	failure *keepalived.Outcome
	// role is that of every instance.
	role    keepalived.Role
	running keepalived.Config
	// last is the last request of a sync, and looked that of a look.
	last, looked keepaliveddriver.Request
	// notices are how far the commands have come.
	notices map[string]keepalived.Notice
	syncs   int
	// left is called when the last instance is removed.
	left func()
}

func newFakeKeepalived() *fakeKeepalived {
	return &fakeKeepalived{machines: map[string]*fakeMachine{}}
}

// set changes a machine, and see returns a copy of it.
func (f *fakeKeepalived) set(address string, change func(*fakeMachine)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.machine(address))
}

func (f *fakeKeepalived) see(address string) fakeMachine {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *f.machine(address)
}

func (f *fakeKeepalived) machine(address string) *fakeMachine {
	if f.machines[address] == nil {
		f.machines[address] = &fakeMachine{role: keepalived.Backup, networks: []keepalived.Network{}}
	}
	return f.machines[address]
}

func (f *fakeKeepalived) look(_ context.Context, conn session.Conn, _ *keepaliveddriver.Cache, request keepaliveddriver.Request) keepalived.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	machine := f.machine(conn.(fakeConn).address)
	machine.looked = request
	outcome := machine.outcome()
	if request.Config == nil || !reflect.DeepEqual(machine.running.Instances, request.Config.Instances) || machine.last.Maintenance != request.Maintenance {
		outcome.State, outcome.Message = model.Pending, "keepalived was not brought to it yet"
	}
	return outcome
}

func (f *fakeKeepalived) sync(_ context.Context, conn session.Conn, _ *keepaliveddriver.Cache, request keepaliveddriver.Request) keepalived.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	machine := f.machine(conn.(fakeConn).address)
	machine.syncs++
	if machine.failure != nil || machine.withoutAccount && !request.Config.Idle() {
		outcome := machine.outcome()
		outcome.State, outcome.Message = model.Rejected, "the account keepalived_script does not exist"
		if machine.failure != nil {
			outcome.State, outcome.Message = machine.failure.State, machine.failure.Message
		}
		return outcome
	}
	if request.Config.Idle() && !machine.running.Idle() && machine.left != nil {
		machine.left()
	}
	machine.running, machine.last = *request.Config, request
	outcome := machine.outcome()
	outcome.Changed, outcome.Update = true, keepalived.UpdateReload
	return outcome
}

// outcome is what is observed of the machine.
func (m *fakeMachine) outcome() keepalived.Outcome {
	outcome := keepalived.Outcome{State: model.Synced, Networks: m.networks, ScriptUser: !m.withoutAccount, Version: "2.2.7", Roles: map[string]keepalived.Role{}, Notices: m.notices}
	for _, instance := range m.running.Instances {
		outcome.Roles[instance.Name] = m.role
	}
	if m.last.Maintenance && !m.running.Idle() {
		outcome.Roles[m.running.Instances[0].Name], outcome.Message = keepalived.Fault, "the host is in maintenance"
	}
	return outcome
}

// ofNetwork returns the network of a host whose only interface has the address.
func ofNetwork(prefix string) []keepalived.Network {
	return []keepalived.Network{{Interface: "eth0", Prefix: netip.MustParsePrefix(prefix)}}
}
