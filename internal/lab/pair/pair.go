// Package pair runs edge hosts that take over addresses from each other: Debian machines with HAProxy and keepalived, which share
// an Ethernet segment with the lab's clients. It requires root.
package pair

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/edgelb/edgelb/internal/lab/debian"
)

// maxHosts is the number of hosts that a segment has addresses for.
const maxHosts = 50

// ScriptUser is the account on the hosts that keepalived runs scripts as by default. No package creates it.
const ScriptUser = "keepalived_script"

// Options configure a pair.
type Options struct {
	// Number identifies the segment and determines its addresses, from 1 to 250.
	Number int
	// Roots are the roots of the hosts, made by hack/keepalived-root.sh, or hack/bare-root.sh if they are Bare; there are as many hosts.
	Roots []string
	// Host is the same for all hosts. Start sets its Number, Name, Root and Link.
	Host debian.Options
	// WithoutScriptUser leaves out ScriptUser.
	WithoutScriptUser bool
}

// Pair is a number of hosts on one segment: usually, but not necessarily two.
type Pair struct {
	// Hosts are in the order of the options' Roots.
	Hosts   []*Host
	segment segment
}

// Start boots the hosts and returns when login works and HAProxy, unless they are bare, runs on all of them; the lab must have been entered. keepalived has
// no configuration yet, and so does not run.
func Start(ctx context.Context, options Options) (*Pair, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	p := &Pair{segment: segment{number: options.Number}}
	if err := p.segment.setUp(ctx); err != nil {
		return nil, fmt.Errorf("create segment %d: %w", options.Number, err)
	}
	if err := p.boot(ctx, options); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (o Options) check() error {
	if o.Number < 1 || o.Number > maxSegments {
		return fmt.Errorf("a pair's number is 1 to %d, not %d", maxSegments, o.Number)
	}
	if len(o.Roots) < 1 || len(o.Roots) > maxHosts {
		return fmt.Errorf("a pair has 1 to %d hosts, not %d", maxHosts, len(o.Roots))
	}
	for _, root := range o.Roots {
		if o.Host.Bare {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, "usr/sbin/keepalived")); err != nil {
			return fmt.Errorf("no Debian root with keepalived; make one with hack/keepalived-root.sh: %w", err)
		}
	}
	return nil
}

// boot boots all hosts at once.
func (p *Pair) boot(ctx context.Context, options Options) error {
	var running sync.WaitGroup
	hosts, failed := make([]*Host, len(options.Roots)), make([]error, len(options.Roots))
	for i := range options.Roots {
		running.Go(func() { hosts[i], failed[i] = p.bootHost(ctx, options, i) })
	}
	running.Wait()
	for _, h := range hosts {
		if h != nil {
			p.Hosts = append(p.Hosts, h)
		}
	}
	return errors.Join(failed...)
}

func (p *Pair) bootHost(ctx context.Context, options Options, index int) (*Host, error) {
	of := options.Host
	of.Number = index + 1
	of.Name = fmt.Sprintf("pair%d-%d", options.Number, index+1)
	of.Root = options.Roots[index]
	of.Link = p.segment.link(index)
	booted, err := debian.Start(ctx, of)
	if err != nil {
		return nil, err
	}
	h := &Host{Host: booted, init: of.Init, link: of.Link.Name}
	if options.WithoutScriptUser || of.Bare {
		return h, nil
	}
	_, err = h.Exec(ctx, "useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent",
		"--shell", "/usr/sbin/nologin", ScriptUser)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close cuts the power of all hosts: nothing of them and of the segment remains. It may be called more than once.
func (p *Pair) Close() error {
	var failed error
	for _, h := range p.Hosts {
		failed = errors.Join(failed, h.Close())
	}
	if p.segment.number != 0 {
		failed = errors.Join(failed, p.segment.remove(context.Background()))
		p.segment = segment{}
	}
	return failed
}

// Logs returns the ends of the logs of every host.
func (p *Pair) Logs() map[string]string {
	logs := map[string]string{}
	for _, h := range p.Hosts {
		for program, log := range h.Logs() {
			logs[program+" of "+h.Name] = log
		}
	}
	return logs
}

// Holders returns the hosts that have the address.
func (p *Pair) Holders(address netip.Addr) ([]*Host, error) {
	var holders []*Host
	for _, h := range p.Hosts {
		holds, err := h.Holds(address)
		if err != nil {
			return nil, err
		}
		if holds {
			holders = append(holders, h)
		}
	}
	return holders, nil
}
