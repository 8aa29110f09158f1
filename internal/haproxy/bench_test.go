package haproxy

import (
	"fmt"
	"testing"
)

// atSizes measures with one backend of 10, 1,000 and 10,000 servers.
func atSizes(b *testing.B, balance Balance, measure func(b *testing.B, c Config)) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("%s/%d", balance, n), func(b *testing.B) {
			c := change(b, func(c *Config) { c.Backends[0].Balance, c.Backends[0].Servers = balance, servers(n) })
			b.ReportAllocs()
			measure(b, c)
		})
	}
}

func BenchmarkRender(b *testing.B) {
	for _, balance := range []Balance{LeastConn, Source} {
		atSizes(b, balance, func(b *testing.B, c Config) {
			for b.Loop() {
				render(b, c, debian())
			}
		})
	}
}

func BenchmarkFingerprints(b *testing.B) {
	atSizes(b, LeastConn, func(b *testing.B, c Config) {
		for b.Loop() {
			if _, _, err := Fingerprints(c, debian()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkChangeFrom compares Configs that differ in the last server.
func BenchmarkChangeFrom(b *testing.B) {
	atSizes(b, LeastConn, func(b *testing.B, c Config) {
		after := c.Normalize()
		after.Backends[0].Servers[len(after.Backends[0].Servers)-1].Port++
		for b.Loop() {
			if changed, only := after.ChangeFrom(c); len(changed.Backends) != 1 || !only {
				b.Fatalf("got %+v, %v", changed, only)
			}
		}
	})
}
