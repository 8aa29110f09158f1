package clusters

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// What a cluster may send at once: an object that is watched, or the whole of any other answer. Nothing that Kubernetes stores
// has more than 1.5 MiB.
const (
	mostEvent  = 6 << 20
	mostAnswer = 24 << 20
)

// jsonFormat is the only format that clusters are asked for, and that they may answer in.
const jsonFormat = "application/json"

// Weights of what a byte of JSON becomes in memory: "{}" in a list is an object of Go.
const (
	objectWeight = 250
	valueWeight  = 16
)

// tooMuchError says that a cluster sends more than can be read of it.
type tooMuchError struct {
	what string
	most int
}

func (e *tooMuchError) Error() string {
	return fmt.Sprintf("%s takes more than %d bytes", e.what, e.most)
}

// shareError says that more is kept of a part than of any other, when all together is too much.
type shareError struct{ held int }

func (e *shareError) Error() string { return fmt.Sprintf("%d bytes are more than its share", e.held) }

var errFormat = errors.New("the answer is not JSON, which was asked for")

// bounded is a way to a cluster of which no answer takes more than some memory.
type bounded struct {
	next http.RoundTripper
	// overflow is told of an answer that would.
	overflow func(error)
}

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// A cluster chooses how it answers, and what is compressed or is YAML can be any number of times as large in memory.
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

// boundedBody fails when a value of JSON takes too much.
type boundedBody struct {
	body     io.ReadCloser
	overflow func(error)
	what     string
	most     int
	// each says that there is one value after the other, each with a bound of its own.
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

// scanner follows JSON as far as is needed to know where a value ends and what it will take in memory.
type scanner struct {
	weight, depth     int
	inString, escaped bool
}

// next takes a byte, and reports whether an object or array at the top has ended with it.
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
