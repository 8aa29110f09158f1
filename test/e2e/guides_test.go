package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab"
)

// document is the text of a page of docs.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	must(t, err)
	return string(text)
}

// fenced returns the blocks of a page in a language.
func fenced(text, language string) []string {
	var blocks []string
	for _, match := range regexp.MustCompile("(?ms)^ *```"+language+"\n(.*?)^ *```$").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// guided returns the object with that name in a page of docs/, for one host of the lab instead of the page's: only addresses, the ports
// of listeners and the limit of connections differ.
func (w *world) guided(page, name string, host *lab.EdgeHost, ports map[string]int) *v1alpha1.EdgeLoadBalancer {
	w.t.Helper()
	for _, text := range fenced(document(w.t, page), "yaml") {
		elb := &v1alpha1.EdgeLoadBalancer{}
		if err := yaml.UnmarshalStrict([]byte(text), elb); err != nil || elb.Kind != "EdgeLoadBalancer" || elb.Name != name {
			continue
		}
		like := w.loadBalancer(host)
		elb.Namespace = w.namespace
		elb.Spec.SSH, elb.Spec.Hosts, elb.Spec.HAProxy.MaxConnections = like.Spec.SSH, like.Spec.Hosts, fewConnections
		for i := range elb.Spec.Listeners {
			listener := &elb.Spec.Listeners[i]
			listener.Bind = binds(host.Public, ports[listener.Name])
		}
		return elb
	}
	w.t.Fatalf("%s shows no EdgeLoadBalancer named %s", page, name)
	return nil
}

// awaitChecked waits until that many servers of the host have been checked with this result.
func (w *world) awaitChecked(host *lab.EdgeHost, result string, servers int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d servers are checked with %s", servers, result), func() string {
		answer, err := host.Ask(w.t.Context(), "show stat -1 4 -1")
		if err != nil {
			return err.Error()
		}
		if strings.Count(answer, ","+result+",") != servers {
			return answer
		}
		return ""
	})
}

// guide is a world with one host, whose key is in the Secret of the object.
func guide(t *testing.T) (*world, *lab.EdgeHost) {
	t.Helper()
	w := newWorld(t)
	host := w.host()
	w.secret(host)
	return w, host
}
