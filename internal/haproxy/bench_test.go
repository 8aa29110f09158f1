package haproxy_test

import (
	"strconv"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// BenchmarkChangeFrom compares Configs that differ in the last server.
func BenchmarkChangeFrom(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c := sample.WebWith(b, func(c *haproxy.Config) { c.Backends[0].Servers = sample.Servers(n) })
			after := sample.WebWith(b, func(c *haproxy.Config) { c.Backends[0].Servers = sample.Servers(n) })
			after.Backends[0].Servers[n-1].Port++
			b.ReportAllocs()
			for b.Loop() {
				if changed, only := after.ChangeFrom(c); len(changed.Backends) != 1 || !only {
					b.Fatalf("got %+v, %v", changed, only)
				}
			}
		})
	}
}
