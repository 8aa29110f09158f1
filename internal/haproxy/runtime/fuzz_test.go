package runtime

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

// everyCommand returns each command for one server.
func everyCommand(b haproxy.Backend, s haproxy.Server) []Command {
	return append(AddServer(b, s),
		MoveServer(b.Name, s), SetWeight(b.Name, s.Name, s.Weight),
		SetMode(b.Name, s.Name, Ready), SetMode(b.Name, s.Name, Drain), SetMode(b.Name, s.Name, Maintenance),
		EnableHealth(b.Name, s.Name), DeleteServer(b.Name, s.Name), ShutdownSessions(b.Name, s.Name))
}

func FuzzACommandIsOneShortLine(f *testing.F) {
	f.Add("be", "pod-a", []byte{192, 0, 2, 1}, uint16(80), 1, "leastconn", 2, uint32(2000))
	f.Add("be;quit", "pod-a\nquit", []byte("0123456789abcdef"), uint16(80), 7, "source", 1, uint32(1))
	f.Add(strings.Repeat("b", 300), strings.Repeat("s", 300), bytes.Repeat([]byte{255}, 16), uint16(65535), 256, "source", 2, uint32(1<<31-1))
	f.Add("be ", "a/b", []byte{}, uint16(1), -1, "first", 0, uint32(0))
	f.Add("<<", "'\"\\#$", []byte{0, 0, 0, 0}, uint16(0), 257, "roundrobin", 0, uint32(0))
	f.Fuzz(func(t *testing.T, backend, server string, ip []byte, port uint16, weight int, balance string, proxy int, number uint32) {
		addr, _ := netip.AddrFromSlice(ip)
		s := haproxy.Server{Name: server, Addr: addr, Port: port, Weight: weight}
		b := haproxy.Backend{
			Name: backend, Balance: haproxy.Balance(balance), ProxyProtocol: haproxy.ProxyProtocol(proxy),
			Check:   haproxy.Check{Interval: time.Duration(number) * time.Millisecond, Rise: int(number), Fall: int(number)},
			Servers: []haproxy.Server{s},
		}
		second := time.Second
		config := haproxy.Config{
			AdminSocket: "/s", MaxConnections: 1, Backends: []haproxy.Backend{b},
			Timeouts: haproxy.Timeouts{Connect: second, Client: second, Server: second, Queue: second},
		}
		if valid.Config(config) != nil {
			return
		}
		harmless, other := b, s
		harmless.Name, other.Name = "be", "s"
		plain := everyCommand(harmless, other)
		for i, command := range everyCommand(b, s) {
			line := command.String()
			if len(line) >= 15_000 || strings.ContainsAny(line, "\n\r;\\\"'<>#$") {
				t.Errorf("got %q", line)
			}
			if got, want := len(strings.Split(line, " ")), len(strings.Split(plain[i].String(), " ")); got != want {
				t.Errorf("%q has %d words, not %d", line, got, want)
			}
		}
	})
}

func FuzzANameIsOneShortLine(f *testing.F) {
	f.Add("in", "app.example.com", "web", "weighted", "web-2", 50)
	f.Add("in;quit", "*.example.com\nquit", "a b", "weighted<<", "\\", 0)
	f.Add(strings.Repeat("f", 300), strings.Repeat("a.", 126)+"a", strings.Repeat("b", 300), strings.Repeat("w", 300), strings.Repeat("c", 300), 100)
	f.Fuzz(func(t *testing.T, frontend, name, backend, weighted, other string, percent int) {
		second := time.Second
		config := haproxy.Config{
			Owner: "c/ns", AdminSocket: "/s", MaxConnections: 1, Timeouts: haproxy.Timeouts{Connect: second, Client: second, Server: second, Queue: second},
			Frontends: []haproxy.Frontend{{
				Name: frontend, Protocol: haproxy.TLS, Binds: []haproxy.Bind{{Addr: netip.IPv4Unspecified(), Port: 443}},
				Routes: []haproxy.Route{{Name: name, To: weighted}},
			}},
			WeightedRoutes: []haproxy.WeightedRoute{{Name: weighted, Shares: []haproxy.Share{
				{Percent: percent, Backends: []string{backend, other}}, {Percent: 100 - percent, Backends: slices.Repeat([]string{other}, 9)},
			}}},
			Backends: []haproxy.Backend{{Name: backend, Balance: haproxy.LeastConn}, {Name: other, Balance: haproxy.LeastConn}},
		}.Normalize()
		if valid.Config(config) != nil {
			return
		}
		path := "/" + strings.Repeat("p", 216)
		for _, e := range config.Entries() {
			for line, words := range map[string]int{
				AddName(path, e).String(): 5, SetName(path, e).String(): 5, DeleteName(path, e.Key).String(): 4, NameOf(path, e.Key): 4,
			} {
				if len(line) >= 15_000 || strings.ContainsAny(line, "\n\r;\\\"'<>#$") || len(strings.Split(line, " ")) != words {
					t.Errorf("got %q", line)
				}
			}
		}
	})
}

func FuzzRepliesEndWithAPrompt(f *testing.F) {
	f.Add([]byte("\n> New server registered.\n\n> \n> "))
	f.Add([]byte("a\n>\n>> \n> b"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		parts := strings.Split(string(stream), "\n> ")
		var want []string
		for _, part := range parts[:len(parts)-1] {
			want = append(want, strings.TrimSpace(part))
		}
		end := io.EOF
		if parts[len(parts)-1] != "" {
			end = io.ErrUnexpectedEOF
		}
		for _, r := range []io.Reader{bytes.NewReader(stream), iotest.HalfReader(bytes.NewReader(stream)), iotest.OneByteReader(bytes.NewReader(stream))} {
			if got, err := allReplies(r); !slices.Equal(got, want) || !errors.Is(err, end) {
				t.Errorf("got %q, %v, want %q, %v", got, err, want, end)
			}
		}
	})
}

func FuzzCheckTakesNoOtherAddressForSuccess(f *testing.F) {
	const by = " by 'stats socket command'"
	f.Add("IP changed from '::1' to '192.0.2.1', port changed from '1' to '8443'" + by)
	f.Add("no need to change the addr, port changed from '1' to '8443'" + by)
	f.Add("nothing changed")
	f.Add("no need to change the addr changed from '::1', port changed" + by)
	f.Add("no need to change the addr changed from port changed" + by)
	f.Fuzz(func(t *testing.T, reply string) {
		err := MoveServer("be", pod("192.0.2.1")).Check(reply)
		var refused *RefusedError
		switch {
		case err != nil && !errors.As(err, &refused):
			t.Errorf("%q: got %v", reply, err)
		case err == nil && strings.Contains(reply, "IP changed") && !strings.Contains(reply, "'192.0.2.1'"):
			t.Errorf("%q means another address", reply)
		case err == nil && strings.Contains(reply, "port changed") && !strings.Contains(reply, "'8443'"):
			t.Errorf("%q means another port", reply)
		}
	})
}
