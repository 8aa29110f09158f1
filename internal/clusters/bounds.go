package clusters

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

// jsonFormat is the only format that is requested from clusters and accepted.
const jsonFormat = "application/json"

// Memory costs of JSON once it is decoded: "{}" in a list becomes a Go object.
const (
	objectWeight = 250
	valueWeight  = 16
)

// tooMuchError says that a cluster sends more than the limit.
type tooMuchError struct {
	what string
	most int
}

func (e *tooMuchError) Error() string {
	return fmt.Sprintf("%s takes more than %d bytes", e.what, e.most)
}

// shareError says that a scope holds the most memory while all scopes together exceed the budget.
type shareError struct{ held int }

func (e *shareError) Error() string { return fmt.Sprintf("%d bytes are more than its share", e.held) }

var errFormat = errors.New("the answer is not JSON, which was asked for")

// bounded is a transport that limits how much memory a response takes.
type bounded struct {
	next http.RoundTripper
	// overflow is called with the error of a response that exceeds the limit or is not JSON.
	overflow func(error)
}

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// The cluster chooses the format, and compressed data or YAML can take arbitrarily more memory than its size.
	format, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode < http.StatusMultipleChoices && (format != jsonFormat || response.Header.Get("Content-Encoding") != "") {
		_ = response.Body.Close()
		b.overflow(errFormat)
		return nil, errFormat
	}
	if format != jsonFormat {
		response.Header.Set("Content-Type", "text/plain")
	}
	body := &boundedBody{body: response.Body, overflow: b.overflow, most: mostAnswer, what: "an answer"}
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
			b.err = &tooMuchError{b.what, b.most}
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
