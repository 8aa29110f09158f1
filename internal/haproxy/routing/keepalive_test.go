package routing_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// The kernel must probe a quiet peer after three minutes, on both sides of HAProxy.
func TestAQuietConnectionIsKeptAliveOnBothSides(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for _, protocol := range []haproxy.Protocol{haproxy.TCP, haproxy.HTTP} {
			for _, added := range []bool{false, true} {
				at, accepted := quietServer(t)
				b := haproxy.Backend{Name: "app", HTTP: protocol == haproxy.HTTP, Balance: haproxy.LeastConn}
				server := haproxy.Server{Name: "s", Addr: at.Addr(), Port: at.Port(), Weight: 1}
				if !added {
					b.Servers = []haproxy.Server{server}
				}
				e := start(t, program, haproxy.Config{
					Frontends: []haproxy.Frontend{{Name: "f", Protocol: protocol, Backend: "app"}}, Backends: []haproxy.Backend{b},
				})
				if added {
					for _, c := range runtime.AddServer(b, server) {
						if err := c.Check(e.ask(t, c.String())); err != nil {
							t.Fatal(err)
						}
					}
				}
				for _, address := range []netip.Addr{loopback4, loopback6} {
					client := dial(t, e.at(t, "f", address))
					if _, err := client.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
						t.Fatal(err)
					}
					behind := <-accepted
					for side, of := range map[string]net.Conn{"client": client, "server": behind} {
						waitForKeepalive(t, fmt.Sprintf("%s, added: %v, %s's side over %s", protocol, added, side, address), of)
					}
				}
			}
		}
	})
}

// quietServer reads a line of each connection, and then sends and reads nothing.
func quietServer(t testing.TB) (netip.AddrPort, <-chan net.Conn) {
	t.Helper()
	accepted := make(chan net.Conn, 10)
	done := make(chan struct{})
	at := serveConnections(t, func(conn net.Conn) {
		defer conn.Close()
		if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			return
		}
		accepted <- conn
		<-done
	})
	t.Cleanup(func() { close(done) }) // before the connections are waited for
	return at, accepted
}

// waitForKeepalive waits until the kernel's timer for HAProxy's end of the connection is the keepalive timer, and due within
// three minutes.
func waitForKeepalive(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	var line string
	eventually(t, what+": the timer of keepalive is set for three minutes: "+line, func() bool {
		var found bool
		if line, found = kernelsLine(t, conn.RemoteAddr(), conn.LocalAddr()); !found {
			return false
		}
		// The sixth column is the timer and its hundredths of a second; 02 is keepalive.
		timer, due, _ := strings.Cut(strings.Fields(line)[5], ":")
		hundredths, err := strconv.ParseInt(due, 16, 64)
		return err == nil && timer == "02" && hundredths > 0 && time.Duration(hundredths)*10*time.Millisecond <= 3*time.Minute
	})
}

// kernelsLine returns the line of a socket in /proc/net/tcp or tcp6.
func kernelsLine(t *testing.T, local, remote net.Addr) (string, bool) {
	t.Helper()
	want := kernels(local) + " " + kernels(remote)
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			if strings.Contains(line, want) {
				return line, true
			}
		}
	}
	return "", false
}

// kernels formats an address as the kernel does: words of four bytes with the last byte first, and the port.
func kernels(addr net.Addr) string {
	at := addr.(*net.TCPAddr).AddrPort()
	bytes := at.Addr().Unmap().AsSlice()
	for word := range slices.Chunk(bytes, 4) {
		slices.Reverse(word)
	}
	return fmt.Sprintf("%s:%04X", strings.ToUpper(hex.EncodeToString(bytes)), at.Port())
}
