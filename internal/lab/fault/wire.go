// Package fault injects faults that happen at an edge, and runs clients at the same time, so that a test can check what they
// observe.
package fault

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// Wire is a proxy to a host: it forwards the bytes of connections, counts the steps of the dialogue, and can call a function at
// any step. A step is a change of direction: a request after an answer, or an answer after a request. Its methods are safe for
// concurrent use.
type Wire struct {
	listener net.Listener
	host     string
	running  sync.WaitGroup

	// acting is locked while a step is counted and its function runs; mu only briefly.
	acting sync.Mutex

	mu    sync.Mutex
	links map[*link]struct{}
	// source is the source address of connections to the host; the zero Addr lets the system choose.
	source netip.Addr
	// last is the direction of the last bytes.
	last  direction
	steps int
	// at is the step at which to call act; 0 for none.
	at  int
	act func()
	// hole is set while nothing is forwarded, and closed when that ends.
	hole chan struct{}
}

// direction is the direction of bytes.
type direction int

const (
	nowhere direction = iota
	toHost
	toOperator
)

// link is one connection: its two halves.
type link struct {
	operator, host net.Conn
	cut            context.Context
	close          context.CancelFunc
}

// Lay starts a wire that listens on one address and forwards to another.
func Lay(ctx context.Context, at, host netip.AddrPort) (*Wire, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	w := &Wire{listener: listener, host: host.String(), links: map[*link]struct{}{}}
	w.running.Go(w.accept)
	return w, nil
}

// Close removes the wire and cuts its connections. It may be called more than once.
func (w *Wire) Close() {
	_ = w.listener.Close()
	w.Mend()
	w.Cut()
	w.running.Wait()
}

// At restarts the count of steps at 1, and calls act once, at the step and before its bytes are forwarded. Step 0 never happens. When
// At returns, a previous act has finished or will never run. Act may call Cut, BlackHole and Mend.
func (w *Wire) At(step int, act func()) {
	w.acting.Lock()
	defer w.acting.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.steps, w.at, w.act = nowhere, 0, step, act
}

// Steps returns the number of steps since the last At.
func (w *Wire) Steps() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.steps
}

// ComeFrom sets the source address of later connections to an address of the lab, like a router with NAT.
func (w *Wire) ComeFrom(source netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.source = source
}

// Cut closes every connection, on both sides.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.links {
		l.close()
	}
}

// BlackHole silently stops forwarding, also the end of a connection.
func (w *Wire) BlackHole() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hole == nil {
		w.hole = make(chan struct{})
	}
}

// Mend undoes BlackHole: data that was sent in the meantime is delivered.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hole != nil {
		close(w.hole)
		w.hole = nil
	}
}

func (w *Wire) accept() {
	for {
		operator, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.running.Go(func() { w.connect(operator) })
	}
}

func (w *Wire) connect(operator net.Conn) {
	host, err := w.dial()
	if err != nil {
		_ = operator.Close()
		return
	}
	l := &link{operator: operator, host: host}
	l.cut, l.close = context.WithCancel(context.Background())
	context.AfterFunc(l.cut, func() {
		_ = operator.Close()
		_ = host.Close()
	})
	w.mu.Lock()
	w.links[l] = struct{}{}
	w.mu.Unlock()
	w.running.Go(func() { w.carry(l, toHost, operator, host) })
	w.carry(l, toOperator, host, operator)
	<-l.cut.Done()
	w.mu.Lock()
	delete(w.links, l)
	w.mu.Unlock()
}

func (w *Wire) dial() (net.Conn, error) {
	w.mu.Lock()
	source := w.source
	w.mu.Unlock()
	var dialer net.Dialer
	if source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return dialer.Dial("tcp", w.host)
}

// carry forwards bytes until one side has closed, and then closes the other.
func (w *Wire) carry(l *link, d direction, from, to net.Conn) {
	defer l.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			w.step(d)
		}
		w.awaitMended(l)
		if err != nil || l.cut.Err() != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// step counts a step, and calls its function.
func (w *Wire) step(d direction) {
	w.acting.Lock()
	defer w.acting.Unlock()
	w.mu.Lock()
	var act func()
	if d != w.last {
		w.last = d
		w.steps++
		if w.steps == w.at {
			act = w.act
		}
	}
	w.mu.Unlock()
	if act != nil {
		act()
	}
}

// awaitMended waits for the end of a black hole.
func (w *Wire) awaitMended(l *link) {
	w.mu.Lock()
	hole := w.hole
	w.mu.Unlock()
	if hole == nil {
		return
	}
	select {
	case <-hole:
	case <-l.cut.Done():
	}
}
