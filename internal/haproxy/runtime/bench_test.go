package runtime

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// serversState returns HAProxy 3.0's answer for that many servers of one backend.
func serversState(tb testing.TB, n int) []byte {
	head := bytes.SplitAfterN(recorded(tb, "3.0", "show-servers-state"), []byte("\n"), 3)
	answer := append(head[0], head[1]...)
	for i := range n {
		answer = fmt.Appendf(answer, "3 ns_web_app %d app-7c9f-%05d 10.42.%d.%d 2 0 1 1 1 6 3 1 6 0 0 0 - 8443 - 0 0 - - 0\n", i, i, i/250, i%250+1)
	}
	return append(answer, '\n')
}

func BenchmarkParseServersState(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			answer := serversState(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if got, err := ParseServersState(answer); err != nil || len(got) != n {
					b.Fatalf("got %d servers, %v", len(got), err)
				}
			}
		})
	}
}

func BenchmarkReplies(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			stream := append(serversState(b, n), "\n> "...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewReplies(bytes.NewReader(stream)).Next(mostInTests); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAddServers(b *testing.B) {
	for _, balance := range []haproxy.Balance{haproxy.LeastConn, haproxy.Source} {
		for _, n := range []int{10, 1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", balance, n), func(b *testing.B) {
				servers := make([]haproxy.Server, n)
				for i := range servers {
					servers[i] = pod("192.0.2.1")
					servers[i].Name = fmt.Sprintf("app-7c9f-%05d", i)
				}
				backend := haproxy.Backend{Name: "be", Balance: balance, Servers: servers}
				b.ReportAllocs()
				for b.Loop() {
					if got := AddServers(backend, servers); len(got) != 2*n {
						b.Fatalf("got %d commands", len(got))
					}
				}
			})
		}
	}
}
