// Package fleet simulates edge hosts by the thousand, in one process: real SSH, and behind it a model of a host with one
// HAProxy 2.6, which answers on its sockets in HAProxy's own words and does what the operator's scripts do.
//
// It is there to find out what the operator costs with more hosts than one machine can really run. Whatever it answers, it
// answers as the real thing does, and tests hold it against the real thing. What it does not know it says so about, and the
// operator fails. It carries no traffic: no server ever has a connection, and every check passes.
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

// Options say what the hosts should be like.
type Options struct {
	// First is the number of the first host, from 1 on, and Hosts how many there are; their numbers decide their addresses.
	First, Hosts int
	// PrivateKey is what can log in, and HostKey is every host's own; both in OpenSSH's format.
	PrivateKey, HostKey []byte
	// Scripts is the folder of the operator's scripts.
	Scripts string
}

// Address is where the host of that number listens: all of 127.1.0.0/16 is the lab's own.
func Address(number int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte(number >> 8), byte(number)})
}

// Counters are what happened on all hosts since they were started. Writes are those of configuration files, and the commands
// are those of conversations that have ended.
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

// close ends all listeners; connections that are open stay.
func (h *hosts) close() error {
	var errs []error
	for _, listener := range h.listeners {
		errs = append(errs, listener.Close())
	}
	return errors.Join(errs...)
}

// control answers whoever has started the process: GET /counters, and GET /servers?host=N, which are the lines that
// `show servers state` of that host has.
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
