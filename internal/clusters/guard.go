package clusters

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"

	"github.com/edgelb/edgelb/internal/policy"
)

// guard prevents connections to addresses at which the API server of a kubeconfig must not be.
type guard struct {
	reach policy.Addresses
}

// check checks the names and addresses in the kubeconfig, without resolving them.
func (g guard) check(config *rest.Config) *policy.Violation {
	server, err := url.Parse(config.Host)
	if err != nil {
		// parse has checked it before.
		return nil
	}
	if found := g.reach.Check(server.Hostname()); found != nil {
		return found
	}
	if proxy := proxyOf(config, server); proxy != nil {
		return g.reach.Check(proxy.Hostname())
	}
	return nil
}

// proxyOf returns the proxy of the kubeconfig; nil if it has none.
func proxyOf(config *rest.Config, server *url.URL) *url.URL {
	if config.Proxy == nil {
		return nil
	}
	proxy, _ := config.Proxy(&http.Request{URL: server})
	return proxy
}

// dialer connects to the server or proxy of the kubeconfig, and checks each resolved address. A proxy from the operator's own
// environment is not checked: it does not come from the kubeconfig. The addresses that it connects to are not visible here.
func (g guard) dialer(config *rest.Config) connrotation.DialFunc {
	server, err := url.Parse(config.Host)
	ours := (*url.URL)(nil)
	if err == nil && config.Proxy == nil {
		ours, _ = http.ProxyFromEnvironment(&http.Request{URL: server})
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: answerTimeout}
		if ours == nil {
			dialer.ControlContext = g.control(address)
		}
		return dialer.DialContext(ctx, network, address)
	}
}

// control returns a function that is called right before a socket connects, when the address is known.
func (g guard) control(called string) func(context.Context, string, string, syscall.RawConn) error {
	host, _, _ := net.SplitHostPort(called)
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if found := g.reach.CheckResolved(host, to.Addr()); found != nil {
			return found
		}
		return nil
	}
}
