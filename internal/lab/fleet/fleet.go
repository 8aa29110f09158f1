// Package fleet simulates thousands of edge hosts in one process: real SSH, and behind it a model of a host with HAProxy 2.6,
// which answers on its sockets with HAProxy's output and does what the operator's scripts do.
//
// It measures the operator's cost with more hosts than one machine can run. It answers as real hosts do, and tests compare it
// with real hosts. It returns an error for what it does not support, and the operator fails. It has no traffic: no server ever
// has a connection, and every health check passes.
package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/fleet/model"
)

// User can log in to every host, on Port.
const (
	User = "root"
	Port = 22
)

// Options configure the hosts.
type Options struct {
	// First is the number of the first host, from 1 on, and Hosts the number of hosts; their numbers determine their addresses.
	First, Hosts int
	// PrivateKey is the key that can log in, and HostKey the host key of every host; both in OpenSSH format.
	PrivateKey, HostKey []byte
	// Scripts is the folder of the operator's scripts.
	Scripts string
}

// Address returns where the host with that number listens: all of 127.1.0.0/16 belongs to the lab.
func Address(number int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte(number >> 8), byte(number)})
}

// Counters count events on all hosts since their start. Writes are those of configuration files, and commands are those of
// connections that have ended.
type Counters struct {
	Logins, Scripts, Writes, Commands, Reloads, FailedReloads int64
}

// hosts are the simulated hosts of this process.
type hosts struct {
	counters  counters
	first     int
	machines  []*machine
	listeners []net.Listener
}

// startHosts starts the hosts.
func startHosts(ctx context.Context, options Options) (*hosts, error) {
	server, err := options.sshd(os.DirFS(options.Scripts))
	if err != nil {
		return nil, err
	}
	config, err := idleConfig()
	if err != nil {
		return nil, err
	}
	all, known := &hosts{first: options.First}, model.NewCommands()
	for number := options.First; number < options.First+options.Hosts; number++ {
		m, err := newMachine(&all.counters, known, config)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		at := netip.AddrPortFrom(Address(number), Port)
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start the simulated host %d: %w", number, err), all.close())
		}
		all.machines, all.listeners = append(all.machines, m), append(all.listeners, listener)
		go server.listen(listener, m)
	}
	return all, nil
}

func (o Options) sshd(folder fs.FS) (*sshd, error) {
	hostKey, err := ssh.ParsePrivateKey(o.HostKey)
	if err != nil {
		return nil, fmt.Errorf("read the hosts' key: %w", err)
	}
	login, err := ssh.ParsePrivateKey(o.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("read the key that can log in: %w", err)
	}
	known, err := readScripts(folder)
	if err != nil {
		return nil, err
	}
	return newSSHD(hostKey, login.PublicKey(), known), nil
}

// close closes all listeners; open connections stay.
func (h *hosts) close() error {
	var errs []error
	for _, listener := range h.listeners {
		errs = append(errs, listener.Close())
	}
	return errors.Join(errs...)
}

// control serves the process that has started this one: GET /counters, and GET /servers?host=N, which returns the lines of
// `show servers state` of that host.
func (h *hosts) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) {
		c := &h.counters
		_ = json.NewEncoder(w).Encode(Counters{
			Logins: c.logins.Load(), Scripts: c.scripts.Load(), Writes: c.writes.Load(), Commands: c.commands.Load(),
			Reloads: c.reloads.Load(), FailedReloads: c.failedReloads.Load(),
		})
	})
	mux.HandleFunc("GET /servers", func(w http.ResponseWriter, r *http.Request) {
		number, err := strconv.Atoi(r.FormValue("host"))
		if err != nil || number < h.first || number >= h.first+len(h.machines) {
			http.Error(w, "no such host", http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(h.machines[number-h.first].haproxy.Ask("show servers state")))
	})
	return mux
}
