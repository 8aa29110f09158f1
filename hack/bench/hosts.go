package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/fleet"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// edgeHost is a host of any kind.
type edgeHost struct {
	spec v1alpha1.Host
	// public is the address for clients.
	public netip.Addr
	// state returns HAProxy's answer to `show servers state`, without the operator.
	state func(context.Context) (string, error)
	// version returns the version of its HAProxy, such as 2.6.12-1+deb12u4.
	version func(context.Context) (string, error)
	// real is the host of the lab; nil for other kinds.
	real *lab.EdgeHost
}

// key returns the name of the host in the operator's log.
func (h *edgeHost) key() string {
	return net.JoinHostPort(h.spec.Address, strconv.Itoa(int(*h.spec.Port)))
}

func keys(hosts []*edgeHost) []string {
	all := make([]string, len(hosts))
	for i, h := range hosts {
		all[i] = h.key()
	}
	return all
}

func newHost(h *lab.Host) *edgeHost {
	port := int32(h.Port)
	return &edgeHost{
		spec:   v1alpha1.Host{Name: h.Name, Address: h.Address.String(), Port: &port, User: h.User},
		public: h.Public.IPv4,
		state:  func(ctx context.Context) (string, error) { return h.Ask(ctx, runtime.ShowServersState) },
		version: func(ctx context.Context) (string, error) {
			info, err := h.Info(ctx)
			return info["Version"], err
		},
	}
}

// servers returns the names of the servers that take connections, by backend.
func (h *edgeHost) servers(ctx context.Context) (map[string][]string, error) {
	state, err := h.state(ctx)
	if err != nil {
		return nil, err
	}
	servers, err := runtime.ParseServersState([]byte(state))
	if err != nil {
		return nil, err
	}
	names := map[string][]string{}
	for _, s := range servers {
		if s.Admin.Mode() == runtime.Ready {
			names[s.Backend] = append(names[s.Backend], s.Name)
		}
	}
	return names, nil
}

// hostGroup is a group of hosts that accept the same key.
type hostGroup struct {
	hosts      []*edgeHost
	privateKey []byte
	knownHosts []string

	mu      sync.Mutex
	closers []func() error
}

func (g *hostGroup) add(i int, h *edgeHost, knownHosts string, end func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hosts[i], g.knownHosts[i] = h, knownHosts
	g.closers = append(g.closers, end)
}

func (g *hostGroup) close() error {
	var errs []error
	for _, end := range g.closers {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// startGroup starts count hosts, a few at a time.
func startGroup(count int, start func(g *hostGroup, i int) error) (*hostGroup, error) {
	key, err := lab.NewPrivateKey()
	if err != nil {
		return nil, err
	}
	g := &hostGroup{privateKey: key, hosts: make([]*edgeHost, count), knownHosts: make([]string, count)}
	errs := make([]error, count)
	var starting sync.WaitGroup
	places := make(chan struct{}, 4)
	for i := range count {
		places <- struct{}{}
		starting.Go(func() {
			errs[i] = start(g, i)
			<-places
		})
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// startHosts starts hosts of the lab, with the installed HAProxy.
func startHosts(ctx context.Context, count int) (*hostGroup, error) {
	return startGroup(count, func(g *hostGroup, i int) error {
		h, err := lab.StartEdgeHost(ctx, lab.EdgeHostOptions{Number: i + 1, PrivateKey: g.privateKey})
		if err != nil {
			return err
		}
		known, err := h.KnownHosts()
		host := newHost(&h.Host)
		host.real = h
		g.add(i, host, known, h.Close)
		return err
	})
}

// startDebians starts hosts with the Debian 13 of the root, each with its own network.
func startDebians(ctx context.Context, root string, count int) (*hostGroup, error) {
	return startGroup(count, func(g *hostGroup, i int) error {
		h, err := debian.Start(ctx, debian.Options{Number: i + 1, Root: root, PrivateKey: g.privateKey})
		if err != nil {
			return err
		}
		known, err := h.KnownHosts()
		g.add(i, newHost(&h.Host), known, h.Close)
		return err
	})
}

// debianRoot returns the folder to boot Debian 13 from; the error says what is missing.
func debianRoot() (string, error) {
	root, err := programs.Root()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, "bin", "debian-13")
	if _, err := os.Stat(folder); err != nil {
		return "", errors.New("there is no bin/debian-13; `make debian-roots` makes it")
	}
	if os.Getuid() != 0 {
		return "", errors.New("only root can boot a Debian")
	}
	return folder, nil
}

// startFleet starts simulated hosts; the second result is their process.
func startFleet(ctx context.Context, count int, scripts string) (*hostGroup, *fleet.Fleet, error) {
	hostKey, err := lab.NewPrivateKey()
	if err != nil {
		return nil, nil, err
	}
	key, err := lab.NewPrivateKey()
	if err != nil {
		return nil, nil, err
	}
	f, err := fleet.Start(ctx, fleet.Options{
		First: 1, Hosts: count, PrivateKey: key, HostKey: hostKey, Scripts: scripts,
	})
	if err != nil {
		return nil, nil, err
	}
	known, err := f.KnownHosts()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	g := &hostGroup{privateKey: key, knownHosts: []string{known}, closers: []func() error{f.Close}}
	for number := 1; number <= count; number++ {
		g.hosts = append(g.hosts, simulatedHost(f, number))
	}
	return g, f, nil
}

func simulatedHost(f *fleet.Fleet, number int) *edgeHost {
	port := int32(fleet.Port)
	return &edgeHost{
		spec: v1alpha1.Host{
			Name: fmt.Sprintf("sim%d", number), Address: fleet.Address(number).String(), Port: &port, User: fleet.User,
		},
		public: netip.IPv4Unspecified(),
		state: func(ctx context.Context) (string, error) {
			text, err := f.ServersState(ctx, number)
			return string(text), err
		},
		version: func(context.Context) (string, error) { return "2.6 sim", nil },
	}
}

// bind returns an address and port of the host as a BindAddress.
func (h *edgeHost) bind(port int) v1alpha1.BindAddress {
	if h.public.IsUnspecified() {
		return v1alpha1.BindAddress(fmt.Sprintf("ipv4@:%d", port))
	}
	return v1alpha1.BindAddress(fmt.Sprintf("ipv4@%s:%d", h.public, port))
}
