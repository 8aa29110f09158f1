package cfg

import (
	"fmt"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// atSizes measures with one backend of 10, 1,000 and 10,000 servers.
func atSizes(b *testing.B, balance haproxy.Balance, measure func(b *testing.B, c haproxy.Config)) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("%s/%d", balance, n), func(b *testing.B) {
			c := sample.WebWith(b, func(c *haproxy.Config) { c.Backends[0].Balance, c.Backends[0].Servers = balance, sample.Servers(n) })
			b.ReportAllocs()
			measure(b, c)
		})
	}
}

func BenchmarkRender(b *testing.B) {
	for _, balance := range []haproxy.Balance{haproxy.LeastConn, haproxy.Source} {
		atSizes(b, balance, func(b *testing.B, c haproxy.Config) {
			for b.Loop() {
				render(b, c, debian())
			}
		})
	}
}

func BenchmarkFingerprints(b *testing.B) {
	atSizes(b, haproxy.LeastConn, func(b *testing.B, c haproxy.Config) {
		for b.Loop() {
			if _, _, err := Fingerprints(c, debian()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
