package driver_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// answering starts an HTTP server with a fixed status.
func answering(t *testing.T, name string, status int) haproxy.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(server.Close)
	return serverAt(name, server.Listener.Addr().String())
}

func serverAt(name, address string) haproxy.Server {
	at := netip.MustParseAddrPort(address)
	return haproxy.Server{Name: name, Addr: at.Addr(), Port: at.Port(), Weight: 1}
}

// reasons counts the servers that are down, by the beginning of HAProxy's text.
func reasons(down []model.DownServers) map[string]int {
	counts := map[string]int{}
	for _, d := range down {
		reason, _, _ := strings.Cut(d.Check, " (")
		counts[reason] += d.Count
	}
	return counts
}

func TestAVerificationFindsOutWhyServersAreDown(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		closed := httptest.NewServer(http.NotFoundHandler())
		closed.Close()
		refusing := serverAt("pod-d", closed.Listener.Addr().String())
		config := m.webConfig(answering(t, "pod-a", 200), answering(t, "pod-b", 400), answering(t, "pod-c", 400), refusing)
		config.Backends[0].Check = haproxy.Check{Kind: haproxy.CheckHTTP, Interval: 100 * time.Millisecond, Rise: 1, Fall: 1}
		requireSynced(t, m.syncCached(config))
		var outcome model.Outcome
		m.eventually("the reasons are known", func() bool {
			outcome = m.syncCached(config)
			counts := reasons(outcome.Down)
			return counts["L7STS 400"] == 2 && counts["L4CON"] == 1 && len(counts) == 2
		})
		requireSynced(t, outcome)
		if count := outcome.Servers["ns_web_app"]; count != (model.ServerCount{Up: 1, Total: 4}) || outcome.Down[0].Backend != "ns_web_app" {
			t.Errorf("servers %+v, down %+v", count, outcome.Down)
		}

		// The results of servers that stay down are kept when others change.
		config.Backends[0].Servers = config.Backends[0].Servers[:3]
		outcome = m.syncCached(config)
		requireSynced(t, outcome)
		if counts := reasons(outcome.Down); outcome.Update != model.UpdateRuntime || counts["L7STS 400"] != 2 || len(counts) != 1 {
			t.Errorf("after %s down are %+v", outcome.Update, outcome.Down)
		}
	})
}
