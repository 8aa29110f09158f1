package outage

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// server is an API server that can be unavailable: it then closes each connection, or answers 503.
type server struct {
	*httptest.Server
	closes, unready atomic.Bool
	reads, asks     atomic.Int32
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/prefix/readyz" {
		s.asks.Add(1)
	} else {
		s.reads.Add(1)
	}
	switch {
	case s.closes.Load():
		panic(http.ErrAbortHandler)
	case s.unready.Load():
		http.Error(w, "starting", http.StatusServiceUnavailable)
	default:
		_, _ = io.WriteString(w, "here")
	}
}

// patientClient returns a client of the server whose reads wait.
func (s *server) patientClient(t *testing.T, change func(*rest.Config) *rest.Config) *http.Client {
	t.Helper()
	config := &rest.Config{Host: s.URL + "/prefix"}
	if change != nil {
		config = change(config)
	}
	patient, err := Patient(t.Context(), config, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(patient)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.Status + " " + string(body), err
}

func TestReadsWaitUntilTheServerIsReady(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*server, bool){
		"it closes connections": func(s *server, away bool) { s.closes.Store(away) },
		"it is not ready":       func(s *server, away bool) { s.unready.Store(away) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			client := s.patientClient(t, nil)
			away(s, true)
			var reads sync.WaitGroup
			for range 50 {
				reads.Go(func() {
					if got, err := get(t.Context(), client, s.URL+"/prefix/api"); err != nil || got != "200 OK here" {
						t.Errorf("got %q, %v", got, err)
					}
				})
			}
			await(t, "it was asked three times", func() bool { return s.asks.Load() >= 3 })
			before := s.reads.Load()
			await(t, "it was asked twice more", func() bool { return s.asks.Load() >= 5 })
			if made := s.reads.Load() - before; made > 0 {
				t.Errorf("%d reads were made of a server that is known to be away", made)
			}

			away(s, false)
			reads.Wait()
		})
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waiting.Long); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s: %s", waiting.Long, what)
		}
	}
}

func TestAReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	client := s.patientClient(t, nil)
	s.closes.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		await(t, "the server is known to be away", func() bool { return s.asks.Load() > 0 })
		cancel()
	}()
	if got, err := get(ctx, client, s.URL+"/prefix/api"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAWriteFailsAtOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	client := s.patientClient(t, nil)
	s.unready.Store(true)
	response, err := client.Post(s.URL+"/prefix/api", "application/json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || s.reads.Load() != 1 || s.asks.Load() != 0 {
		t.Errorf("got %s after %d tries and %d questions", response.Status, s.reads.Load(), s.asks.Load())
	}
}

// Reads of a server that is ready but fails are not retried without end.
func TestAReadThatKeepsFailingReturnsTheError(t *testing.T) {
	t.Parallel()
	tries := atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			tries.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(s.Close)
	client := (&server{Server: s}).patientClient(t, func(c *rest.Config) *rest.Config { c.Host = s.URL; return c })
	if got, err := get(t.Context(), client, s.URL+"/api"); err != nil || got != "502 Bad Gateway " || tries.Load() != mostTries {
		t.Errorf("got %q, %v after %d tries", got, err, tries.Load())
	}
}

func TestAnUntrustedCertificateIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	client := (&server{Server: s}).patientClient(t, func(c *rest.Config) *rest.Config { c.Host = s.URL; return c })
	if got, err := get(t.Context(), client, s.URL+"/api"); err == nil || !isLasting(err) {
		t.Errorf("got %q, %v", got, err)
	}
}

// A missing response ends the attempt, not the read.
func TestAnAttemptThatTakesTooLongIsRetried(t *testing.T) {
	t.Parallel()
	hangs := atomic.Bool{}
	hangs.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api" && hangs.Swap(false) {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "here")
	}))
	t.Cleanup(s.Close)
	client := (&server{Server: s}).patientClient(t, func(c *rest.Config) *rest.Config {
		c.Host = s.URL
		return Within(c, 100*time.Millisecond)
	})
	if got, err := get(t.Context(), client, s.URL+"/api"); err != nil || got != "200 OK here" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAReadWaitsForAServerThatIsNotListening(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	client := (&server{}).patientAt(t, "http://"+address)
	begun := make(chan struct{})
	go func() {
		<-begun
		again, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }), ReadHeaderTimeout: time.Minute}
		context.AfterFunc(t.Context(), func() { _ = s.Close() })
		_ = s.Serve(again)
	}()
	time.AfterFunc(50*time.Millisecond, func() { close(begun) })
	if got, err := get(t.Context(), client, "http://"+address+"/api"); err != nil || got != "200 OK here" {
		t.Errorf("got %q, %v", got, err)
	}
}

func (s *server) patientAt(t *testing.T, url string) *http.Client {
	t.Helper()
	s.Server = &httptest.Server{URL: url}
	return s.patientClient(t, func(c *rest.Config) *rest.Config { c.Host = url; return c })
}
