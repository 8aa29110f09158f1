package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edgelb/edgelb/hack/bench/figures"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/logs"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

const (
	// logRounds are the rounds of each file, which take turns, so that what else the machine does affects both. An odd number
	// of them has one median.
	logRounds, logConnections = 11, 3000
	loggedPort                = 18443
	// loggedMost is the limit of HAProxy's connections, for which the lab has files enough.
	loggedMost = 4000
)

// logCase compares a file of edgelb that logs every connection with one that somebody wrote by hand for the same.
type logCase struct {
	name     string
	protocol haproxy.Protocol
	json     bool
	// byHand are the lines about logs of the file by hand, in its defaults and in its frontend.
	byHand, ofFrontend string
}

var logCases = []logCase{
	{"TCP, HAProxy's format", haproxy.TCP, false, "mode tcp\n    option tcplog", ""},
	{"TCP, JSON", haproxy.TCP, true, `mode tcp
    log-format '{"time":%Ts.%ms,"client":"%ci","port":%cp,"frontend":"%f","backend":"%b","server":"%s","up":%U,"down":%B,"queue":%Tw,"connect":%Tc,"total":%Tt,"state":"%ts"}'`, ""},
	{"HTTP, HAProxy's format", haproxy.HTTP, false, "mode http\n    option httplog\n    option forwardfor", ""},
	{"HTTP, JSON", haproxy.HTTP, true, `mode http
    option forwardfor
    log-format '{"time":%Ts.%ms,"client":"%ci","port":%cp,"frontend":"%f","backend":"%b","server":"%s","host":"%[capture.req.hdr(0),json(utf8s)]","method":"%HM","path":"%[capture.req.uri,json(utf8s)]","status":%ST,"up":%U,"down":%B,"queue":%Tw,"connect":%Tc,"response":%Tr,"total":%Ta,"state":"%ts"}'`, "capture request header Host len 255"},
}

// partLogs measures HAProxy's CPU for a connection that is logged, over UDP.
func partLogs(ctx context.Context, b *bench) (err error) {
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	go drainPackets(sink)
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	answers := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }), ReadHeaderTimeout: time.Minute}
	go func() { _ = answers.Serve(server) }()
	defer func() { err = errors.Join(err, answers.Close()) }()
	for _, program := range haproxies() {
		for _, c := range logCases {
			if err := b.compareLogs(ctx, program, c, addrPort(sink.LocalAddr()), addrPort(server.Addr())); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// drainPackets reads until the socket is closed.
func drainPackets(sink *net.UDPConn) {
	for buffer := make([]byte, 1<<16); ; {
		if _, err := sink.Read(buffer); err != nil {
			return
		}
	}
}

// haproxies returns the installed HAProxy and the newer one of bin/, if it is there.
func haproxies() []string {
	found := []string{"haproxy"}
	if root, err := programs.Root(); err == nil {
		if newer := filepath.Join(root, "bin", "haproxy-3.0"); fileExists(newer) {
			found = append(found, newer)
		}
	}
	return found
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// compareLogs reports the CPU of both files for a connection. That by hand is the target.
func (b *bench) compareLogs(ctx context.Context, program string, c logCase, sink, server netip.AddrPort) error {
	ours, err := renderLogged(c, sink, server)
	if err != nil {
		return err
	}
	files := map[string][]byte{"edgelb": ours, "by hand": writtenByHand(c, sink, server)}
	used := map[string][]float64{}
	for range logRounds {
		for _, name := range []string{"by hand", "edgelb"} {
			micros, err := cpuOfConnections(ctx, program, files[name])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			used[name] = append(used[name], micros)
		}
	}
	version := versionOf(ctx, program)
	row := func(name string) figures.Row {
		return figures.Row{Part: "l", What: c.name + ": CPU for a logged connection, file " + name, HAProxy: version, Unit: "µs"}
	}
	b.report.Add(row("by hand"), used["by hand"], nil)
	most := median(used["by hand"])
	b.report.Add(row("of edgelb"), used["edgelb"], &figures.Target{Median: &most})
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func versionOf(ctx context.Context, program string) string {
	out, err := exec.CommandContext(ctx, program, "-v").Output()
	if words := strings.Fields(string(out)); err == nil && len(words) > 2 {
		return words[2]
	}
	return "?"
}

// renderLogged returns the file of edgelb.
func renderLogged(c logCase, sink, server netip.AddrPort) ([]byte, error) {
	config := haproxy.Config{
		Owner: "bench", AdminSocket: filepath.Join(lab.Dir(), "logged.sock"), MaxConnections: loggedMost,
		Timeouts: haproxy.Timeouts{Connect: 5 * time.Second, Client: time.Hour, Server: time.Hour, Queue: 5 * time.Second},
		Logging:  logs.Settings{Target: logs.Target{Kind: logs.UDP, Server: sink}, All: true, JSON: c.json},
		Frontends: []haproxy.Frontend{{
			Name: "shop.web.http", Protocol: c.protocol, Backend: "shop.web.app", Binds: []haproxy.Bind{{Addr: server.Addr(), Port: loggedPort}},
		}},
		Backends: []haproxy.Backend{{
			Name: "shop.web.app", HTTP: c.protocol == haproxy.HTTP, Balance: haproxy.LeastConn, Servers: []haproxy.Server{{Name: "a", Addr: server.Addr(), Port: server.Port(), Weight: 1}},
		}},
	}
	file, err := cfg.Render(config, cfg.Platform{StateFile: filepath.Join(lab.Dir(), "logged.state"), NamesPrefix: filepath.Join(lab.Dir(), "logged.names-")})
	if err != nil || file.NamesPath == "" {
		return file.Text, err
	}
	return file.Text, os.WriteFile(file.NamesPath, file.Names, 0o600)
}

// writtenByHand returns a file as people write it.
func writtenByHand(c logCase, sink, server netip.AddrPort) []byte {
	return fmt.Appendf(nil, `global
    log %s len 8192 format rfc5424 local0
    log-send-hostname
    maxconn %d
    stats socket %s mode 660 level admin

defaults
    log global
    %s
    timeout connect 5s
    timeout client 1h
    timeout server 1h

frontend shop
    bind %s:%d
    %s
    default_backend app

backend app
    balance leastconn
    server a %s
`, sink, loggedMost, filepath.Join(lab.Dir(), "logged.sock"), c.byHand, server.Addr(), loggedPort, c.ofFrontend, server)
}

// cpuOfConnections runs HAProxy with the file, and returns the microseconds of CPU that it takes for each connection.
func cpuOfConnections(ctx context.Context, program string, file []byte) (micros float64, err error) {
	path := filepath.Join(lab.Dir(), "logged.cfg")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		return 0, err
	}
	process := exec.CommandContext(ctx, program, "-db", "-f", path)
	var complaints bytes.Buffer
	process.Stderr = &complaints
	defer func() {
		if err != nil && complaints.Len() > 0 {
			err = fmt.Errorf("%w: %s", err, complaints.String())
		}
	}()
	if err := process.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = process.Process.Kill()
		_ = process.Wait() // killed, so never nil
	}()
	// The first connections wait for the process, and fill its pools.
	if err := connectAll(ctx, logConnections/10); err != nil {
		return 0, err
	}
	before, err := figures.CPUSeconds(process.Process.Pid)
	if err != nil {
		return 0, err
	}
	if err := connectAll(ctx, logConnections); err != nil {
		return 0, err
	}
	after, err := figures.CPUSeconds(process.Process.Pid)
	return 1e6 * (after - before) / logConnections, err
}

// connectAll makes that many connections, four at a time, each with one request.
func connectAll(ctx context.Context, count int) error {
	const atATime = 4
	errs := make([]error, atATime)
	var clients sync.WaitGroup
	for i := range errs {
		clients.Go(func() {
			for range count / atATime {
				if errs[i] = errors.Join(errs[i], connectOnce(ctx)); errs[i] != nil {
					return
				}
			}
		})
	}
	clients.Wait()
	return errors.Join(errs...)
}

// connectOnce makes one request over a connection of its own. HAProxy may still be about to start.
func connectOnce(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", loggedPort))
	for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		conn, err = dialer.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", loggedPort))
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /some/path?of=some&length=1 HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: bench\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}
