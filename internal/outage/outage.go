// Package outage lets reads of the Kubernetes API wait while the API server is unavailable.
//
// client-go's reflectors, which fill the caches, back off for up to 30 s after an error, and only a restart shortens that: after an
// outage of a minute, changes would arrive late. This package hides the error from them. A read that fails because the server is
// unavailable waits until /readyz reports ready, and is then retried. Only one request at a time probes an unavailable server,
// however many reads wait.
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
	// askInterval is the time between two probes of an unavailable server. A random delay of up to half of it is added, so that
	// many operators do not probe at once.
	askInterval = 400 * time.Millisecond
	// answerTimeout is how long a server may take to answer a probe.
	answerTimeout = 3 * time.Second
	// mostTries is how often a read is tried if the server is ready but the read still fails. After that the caller gets the error.
	mostTries = 3
)

// Patient returns a copy of the configuration whose reads wait while the API server is unavailable, until their context or the given
// one ends. Writes do not wait: it is unknown whether a write without a response was made. The start and end of an outage are logged.
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

// readyz returns the URL of the server's readiness endpoint.
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

// away returns why the server counts as unavailable; empty if it does not. An outage ends connections. A server that starts
// answers 503; a proxy in front of it answers 502, 503 or 504.
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

// gate is closed while the server is unavailable.
type gate struct {
	ctx   context.Context
	ready string
	log   logr.Logger

	mu sync.Mutex
	// opened is closed when the server is ready again; nil while the server is ready.
	opened chan struct{}
}

// wait blocks while the server is unavailable.
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

// close makes all reads wait, and starts to probe the server.
func (g *gate) close(by http.RoundTripper, authorization, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
		go g.watch(by, authorization, why)
	}
}

// watch probes the server until it is ready.
func (g *gate) watch(by http.RoundTripper, authorization, why string) {
	began, reported := time.Now(), false
	for g.ctx.Err() == nil && !g.isReady(by, authorization) {
		if !reported {
			g.log.Info("The Kubernetes API server is away: reads wait until it is ready", "why", why)
			reported = true
		}
		select {
		case <-time.After(askInterval + rand.N(askInterval/2)):
		case <-g.ctx.Done():
		}
	}
	if reported {
		g.log.Info("The Kubernetes API server is ready again", "seconds", time.Since(began).Seconds())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	g.opened = nil
}

// isReady probes once. A server that denies access to /readyz counts as ready.
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
