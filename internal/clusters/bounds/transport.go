// Package bounds limits what another cluster can make the operator hold in memory: each of its responses while it is read, and the
// objects that are kept of it.
package bounds

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// Size limits, in bytes, of one watched object and of any other response. Kubernetes stores no object larger than 1.5 MiB.
const (
	mostEvent  = 6 << 20
	mostAnswer = 24 << 20
)

// JSON is the only format that is requested from clusters and accepted.
const JSON = "application/json"

// Memory costs of JSON once it is decoded: "{}" in a list becomes a Go object.
const (
	objectWeight = 250
	valueWeight  = 16
)

// TooMuchError says that a cluster sends more than the limit.
type TooMuchError struct {
	what string
	most int
}

// Error implements error.
func (e *TooMuchError) Error() string {
	return fmt.Sprintf("%s takes more than %d bytes", e.what, e.most)
}

// ErrFormat says that a cluster answers in another format.
var ErrFormat = errors.New("the answer is not JSON, which was asked for")

// Transport limits how much memory a response takes.
type Transport struct {
	Next http.RoundTripper
	// Overflow is called with the error of a response that exceeds the limit or is not JSON.
	Overflow func(error)
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.Next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// The cluster chooses the format, and compressed data or YAML can take arbitrarily more memory than its size.
	format, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode < http.StatusMultipleChoices && (format != JSON || response.Header.Get("Content-Encoding") != "") {
		_ = response.Body.Close()
		t.Overflow(ErrFormat)
		return nil, ErrFormat
	}
	if format != JSON {
		response.Header.Set("Content-Type", "text/plain")
	}
	body := &boundedBody{body: response.Body, overflow: t.Overflow, most: mostAnswer, what: "an answer"}
	if request.URL.Query().Has("watch") {
		body.most, body.what, body.each = mostEvent, "an object that is watched", true
	}
	response.Body = body
	return response, nil
}

// boundedBody fails when a JSON value takes too much memory.
type boundedBody struct {
	body     io.ReadCloser
	overflow func(error)
	what     string
	most     int
	// each says that the body is a sequence of values, each with its own limit.
	each bool

	scan scanner
	err  error
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.body.Read(p)
	for _, c := range p[:n] {
		if ended := b.scan.next(c); ended && b.each {
			b.scan.weight = 0
		}
		if b.scan.weight > b.most {
			b.err = &TooMuchError{b.what, b.most}
			b.overflow(b.err)
			return 0, b.err
		}
	}
	return n, err
}

func (b *boundedBody) Close() error { return b.body.Close() }

// scanner scans JSON to find where a value ends and how much memory it will take.
type scanner struct {
	weight, depth     int
	inString, escaped bool
}

// next takes a byte, and reports whether it ends a top-level object or array.
func (s *scanner) next(c byte) bool {
	s.weight++
	if s.inString {
		s.inString = s.escaped || c != '"'
		s.escaped = c == '\\' && !s.escaped
		return false
	}
	switch c {
	case '"':
		s.inString = true
	case ',':
		s.weight += valueWeight
	case '{', '[':
		s.depth++
		s.weight += objectWeight
	case '}', ']':
		s.depth--
		return s.depth == 0
	}
	return false
}
