package outage

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
)

// Within is the configuration whose requests may take so long, each of them from its start to the end of its answer. It differs from
// the configuration's Timeout where it is made Patient after: what a read waits for a server that is away does not count. Its
// answers are kept in memory, so it is for those that are short.
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
