package clusters

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/policy"
)

// reachOf returns the allowed API server addresses of a namespace with such a policy.
func reachOf(list ...v1alpha1.AllowedAddress) policy.Addresses {
	p := v1alpha1.EdgePolicy{Spec: v1alpha1.EdgePolicySpec{KubeconfigServers: list}}
	p.Name = "lab"
	return policy.NewSet([]v1alpha1.EdgePolicy{p}).For("shop", nil).KubeconfigServers
}

// onLoopback allows the addresses of the tests' servers.
func onLoopback() policy.Addresses { return reachOf("127.0.0.0/8", "::1/128", "0.0.0.0/0", "::/0") }

// here returns the access to a cluster of the tests.
func here(secret map[string][]byte) Access { return Access{Secret: secret, Reach: onLoopback()} }

func TestAKubeconfigReachesNothingThatNoPolicyAllows(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	inside := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	inside.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			asked.Add(1)
		}
	}
	inside.StartTLS()
	t.Cleanup(func() {
		inside.Close()
		if asked.Load() > 0 {
			t.Errorf("somebody connected to the server %d times", asked.Load())
		}
	})
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())
	builtin := policy.Builtin("shop").KubeconfigServers
	for name, test := range map[string]struct {
		server, proxy string
		reach         policy.Addresses
		want          string
	}{
		"a loopback address":         {"https://127.0.0.1:" + port, "", builtin, "127.0.0.1, a loopback address, is not allowed"},
		"the same in IPv6 form":      {"https://[::ffff:127.0.0.1]:" + port, "", builtin, "a loopback address, is not allowed"},
		"a name that leads there":    {"https://localhost:" + port, "", builtin, "to which localhost leads, a loopback address, is not allowed"},
		"the metadata of a cloud":    {"https://169.254.169.254", "", builtin, "169.254.169.254, a link-local address, is not allowed"},
		"a proxy's name":             {"https://192.0.2.1", "http://localhost:" + port, builtin, "to which localhost leads, a loopback address, is not allowed"},
		"a proxy's address":          {"https://192.0.2.1", "socks5://127.0.0.1:" + port, builtin, "127.0.0.1, a loopback address, is not allowed"},
		"an address that is missing": {"https://192.0.2.1", "", reachOf("198.51.100.0/24"), "192.0.2.1 is not allowed in namespace shop: spec.kubeconfigServers of EdgePolicy lab"},
		"a name that is missing":     {"https://localhost:" + port, "", reachOf("api.example.net"), "localhost is not allowed"},
		"a name that is there":       {"https://localhost:" + port, "", reachOf("localhost"), "to which localhost leads, a loopback address, is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			secret := secretWith(t, &clientcmdapi.Cluster{Server: test.server, ProxyURL: test.proxy}, tokenOf("x"))
			w.set.Keep(cluster, Access{Secret: secret, Reach: test.reach}, w.use())
			if message := w.becomesBad(false, v1alpha1.ReasonPolicyViolation); !strings.Contains(message, test.want) {
				t.Errorf("%s: want %q", message, test.want)
			}
		})
	}
}

func TestAClusterThatAPolicyForbidsIsReadNoMoreAndWhatWasKnownStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := w.secret(w.user([]string{w.namespace}, enough()...))
	w.set.Keep(cluster, here(secret), w.use())
	w.becomesKnown()

	w.set.Keep(cluster, Access{Secret: secret, Reach: policy.Builtin("shop").KubeconfigServers}, w.use())
	if message := w.becomesBad(true, v1alpha1.ReasonPolicyViolation); !strings.Contains(message, kept) {
		t.Errorf("%s: want %q", message, kept)
	}
	w.eventually("the connections end", func() error {
		if open := w.proxy.count(); open > 0 {
			return fmt.Errorf("%d are open", open)
		}
		return nil
	})
	w.setEndpoint("10.9.9.9", nil)
	if got := w.endpoint(w.namespace); got != "10.1.0.1" {
		t.Errorf("the endpoint is %s", got)
	}

	w.set.Keep(cluster, here(secret), w.use())
	w.becomesKnown()
	w.endpointBecomes(w.namespace, "10.9.9.9")
}
