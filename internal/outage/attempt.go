package outage

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
)

// Within returns a copy of the configuration that limits each request, from its start to the end of its response. Unlike the
// configuration's Timeout, the limit excludes the time that a read waits for an unavailable server, if Patient is applied after
// Within. Responses are buffered in memory, so use it for short ones only.
func Within(config *rest.Config, limit time.Duration) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &bounded{next: next, limit: limit} })
	return config
}

type bounded struct {
	next  http.RoundTripper
	limit time.Duration
}

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), b.limit)
	defer cancel()
	response, err := b.next.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}
