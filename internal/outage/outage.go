// Package outage lets reads of the Kubernetes API wait while its server is away.
//
// client-go's reflectors, which fill the caches, wait up to 30 s after an error before they try again, longer each time, and nothing
// but a restart shortens that: after an outage of a minute, a change would be heard of late. Here they get no error. A read that
// finds no server waits until the server says on /readyz that it is ready, and is then made again. Only one question at a time is
// asked of a server that is away, however many reads wait.
package outage

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
)

const (
	// askInterval is the time between two questions to a server that is away; up to half of it more is added by chance, so that
	// many operators do not ask at once.
	askInterval = 400 * time.Millisecond
	// answerTimeout is how long a server may take to say whether it is ready.
	answerTimeout = 3 * time.Second
	// mostTries is how often a read is made of a server that is ready and fails it nevertheless. What is wrong then is for the
	// caller to know.
	mostTries = 3
)

// Patient is the configuration whose reads wait while the API server is away, until their contexts end or the given one does. What
// writes does not wait: nobody knows whether a write that got no answer was made. The log hears when an outage begins and ends.
func Patient(ctx context.Context, config *rest.Config, log logr.Logger) (*rest.Config, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	g := &gate{ctx: ctx, ready: readyz(base), log: log}
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &transport{next: next, gate: g} })
	return config, nil
}

// readyz is where a server says whether it is ready.
func readyz(base *url.URL) string {
	return base.Scheme + "://" + base.Host + strings.TrimSuffix(base.Path, "/") + "/readyz"
}

type transport struct {
	next http.RoundTripper
	gate *gate
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet {
		return t.next.RoundTrip(request)
	}
	for try := 1; ; try++ {
		if err := t.gate.wait(request.Context()); err != nil {
			return nil, err
		}
		response, err := t.next.RoundTrip(request)
		if why := away(response, err); why == "" || request.Context().Err() != nil || try == mostTries {
			return response, err
		} else {
			t.gate.close(t.next, request.Header.Get("Authorization"), why)
		}
		if err == nil {
			discard(response)
		}
	}
}

// away says what there was instead of an answer of a server that is ready; empty if there was one. An outage ends connections, a
// server that starts answers 503, and so does a proxy before it, or 502 or 504.
func away(response *http.Response, err error) string {
	switch {
	case err != nil:
		if isLasting(err) {
			return ""
		}
		return err.Error()
	case response.StatusCode >= http.StatusBadGateway && response.StatusCode <= http.StatusGatewayTimeout:
		return "it answers " + response.Status
	default:
		return ""
	}
}

func discard(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 1<<16)
	_ = response.Body.Close()
}

// gate is closed while the server is away.
type gate struct {
	ctx   context.Context
	ready string
	log   logr.Logger

	mu sync.Mutex
	// opened is closed when the server is ready again; nil while it is.
	opened chan struct{}
}

// wait returns when the server is not away.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	if opened == nil {
		return nil
	}
	select {
	case <-opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
}

// close has everybody wait until the server is ready, and finds that out.
func (g *gate) close(by http.RoundTripper, authorization, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
		go g.watch(by, authorization, why)
	}
}

// watch asks the server until it is ready.
func (g *gate) watch(by http.RoundTripper, authorization, why string) {
	began, told := time.Now(), false
	for g.ctx.Err() == nil && !g.isReady(by, authorization) {
		if !told {
			g.log.Info("The Kubernetes API server is away: reads wait until it is ready", "why", why)
			told = true
		}
		select {
		case <-time.After(askInterval + rand.N(askInterval/2)):
		case <-g.ctx.Done():
		}
	}
	if told {
		g.log.Info("The Kubernetes API server is ready again", "seconds", time.Since(began).Seconds())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	g.opened = nil
}

// isReady asks once. A server that does not let everybody ask is taken for ready when it says so.
func (g *gate) isReady(by http.RoundTripper, authorization string) bool {
	ctx, cancel := context.WithTimeout(g.ctx, answerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.ready, http.NoBody)
	if err != nil {
		return true
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := by.RoundTrip(request)
	if err != nil {
		return isLasting(err)
	}
	defer discard(response)
	return response.StatusCode < http.StatusInternalServerError
}
