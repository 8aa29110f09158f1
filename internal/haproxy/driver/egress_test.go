package driver_test

import (
	"os"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// reachedFrom is a connection that the host sees come from an address.
func reachedFrom(address string) *localConn {
	conn := &localConn{}
	conn.putBefore("SSH_CONNECTION='" + address + " 40022 192.0.2.1 22'; export SSH_CONNECTION; ")
	return conn
}

func TestAHostReportsTheClientAddressOfEachConnection(t *testing.T) {
	t.Parallel()
	logins := []string{"root"}
	if os.Geteuid() == 0 {
		// Only root can give HAProxy's socket to another account.
		logins = append(logins, "nobody")
	}
	for _, login := range logins {
		t.Run(login, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			config := m.webConfig(echo(t, "a"))
			m.conn = reachedFrom("203.0.113.9")
			for _, kind := range []string{"a full sync", "a verification", "a change of servers"} {
				if kind == "a change of servers" {
					config = m.webConfig(echo(t, "a"), echo(t, "b"))
				}
				outcome := m.syncCached(config, func(r *driver.Request) { r.Login = login })
				if outcome.State != model.Synced || outcome.Egress.String() != "203.0.113.9" {
					t.Fatalf("%s: got %s from %s: %s", kind, outcome.State, outcome.Egress, outcome.Message)
				}
			}

			m.conn = reachedFrom("2001:db8::9")
			outcome := m.syncCached(config, func(r *driver.Request) { r.Login = login })

			if outcome.State != model.Synced || outcome.Egress.String() != "2001:db8::9" {
				t.Errorf("over another connection: got %s from %s: %s", outcome.State, outcome.Egress, outcome.Message)
			}
		})
	}
}

// The address is read before the failure is found.
func TestAHostThatFailsReportsTheClientAddress(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.writeConfig([]byte("# somebody else's\nfrontend web\n"))
	m.conn = reachedFrom("203.0.113.9")
	outcome := m.syncCached(m.webConfig(echo(t, "a")))
	if outcome.State != model.Refused || outcome.Egress.String() != "203.0.113.9" {
		t.Errorf("got %s from %s", outcome.State, outcome.Egress)
	}
}
