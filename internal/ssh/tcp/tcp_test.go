package tcp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// hears is a connection that only receives.
type hears struct {
	net.Conn
	io.Reader
}

func (h hears) Read(p []byte) (int, error) { return h.Reader.Read(p) }

func TestAGreetingOfSSHIsRecognizedAtTheBeginningOfALine(t *testing.T) {
	t.Parallel()
	for text, wantOther := range map[string]bool{
		"":                         false,
		"SSH-2.0-x\r\n":            false,
		"welcome\r\nSSH-2.0-x\r\n": false,
		"HTTP/1.1 400\r\n":         true,
		"welcome SSH-\r\n":         true,
		"SS\r\nH-2.0":              true,
		"SSH":                      true,
	} {
		for _, reader := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			conn := newConn(hears{Reader: reader})
			if got, err := io.ReadAll(conn); err != nil || string(got) != text {
				t.Errorf("%q became %q, error %v", text, got, err)
			}
			if got := conn.SpeaksOther(); got != wantOther {
				t.Errorf("%q is something other than SSH: %t, want %t", text, got, wantOther)
			}
		}
	}
}

func TestWhatBelongsToNoAnswerIsLimited(t *testing.T) {
	t.Parallel()
	conn := newConn(hears{Reader: zeros{}})
	receive := func(n int) error { _, err := io.CopyN(io.Discard, conn, int64(n)); return err }
	for _, step := range []struct {
		name string
		more func()
		room int
	}{
		{"before the login", func() {}, mostBeforeLogin},
		{"after the login", conn.LoggedIn, mostUseless - mostBeforeLogin},
		{"after an answer", func() { conn.Answered(1000) }, 1000 * usefulFactor},
		{"after a keepalive", conn.AnsweredKeepalive, eachInterval},
		{"after an answer that is longer than all that came", func() { conn.Answered(mostUseless) }, mostUseless},
	} {
		step.more()
		if err := receive(step.room); err != nil {
			t.Fatalf("%s: %d bytes: %v", step.name, step.room, err)
		}
	}
	var flood *FloodError
	if err := receive(1); !errors.As(err, &flood) || flood.Bytes != mostUseless {
		t.Errorf("error %v, want a *FloodError", err)
	}
}

// zeros is an endless source.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestThePermissionIsAskedForEachAddress(t *testing.T) {
	t.Parallel()
	refuse := func(netip.Addr) error { return errors.New("not there") }
	var forbidden *ForbiddenError
	for _, resolved := range []string{"192.0.2.1:22", "[2001:db8::1]:22", "nonsense"} {
		if err := check(nil, "gw1:22", resolved); err != nil {
			t.Errorf("%s: %v", resolved, err)
		}
		if err := check(refuse, "gw1:22", resolved); !errors.As(err, &forbidden) || forbidden.Address != "gw1:22" {
			t.Errorf("%s: error %v, want a *ForbiddenError of gw1:22", resolved, err)
		}
	}
}
