package ssh

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// only permits this address only.
func only(address string) tcp.Permission {
	return func(addr netip.Addr) error {
		if addr.Unmap() != netip.MustParseAddr(address) {
			return fmt.Errorf("%s is forbidden", addr)
		}
		return nil
	}
}

func TestDialConnectsToNoAddressThatIsNotPermitted(t *testing.T) {
	t.Parallel()
	_, target := serverAndTarget(t)
	for _, address := range []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1"} {
		target.Address, target.Permission = address, only("192.0.2.1")
		_, err := Dial(t.Context(), target)
		var forbidden *tcp.ForbiddenError
		if !errors.As(err, &forbidden) || forbidden.Address != target.hostPort() || !strings.Contains(err.Error(), "1 is forbidden") {
			t.Errorf("%s: got %v, want a *tcp.ForbiddenError with the reason", address, err)
		}
		target.Permission = only("127.0.0.1")
		_ = dial(t, target).Close()
	}
}

func TestThePoolClosesAConnectionToAnAddressThatIsNoLongerPermitted(t *testing.T) {
	t.Parallel()
	_, target := serverAndTarget(t)
	pool := newWatched(t)
	target.Permission = only("127.0.0.1")
	conn := pool.mustGet(t, "a", target)
	if again := pool.mustGet(t, "a", target); again != conn {
		t.Error("got another connection")
	}
	target.Permission = only("192.0.2.1")
	var forbidden *tcp.ForbiddenError
	if _, err := pool.await(within(t, patience), "a", target); !errors.As(err, &forbidden) {
		t.Errorf("got %v", err)
	}
	eventually(t, "the connection ends", func() bool { return !conn.isAlive() })
	if down, attempts := pool.reported(); len(down) > 0 || !slices.Equal(attempts, []string{ResultConnected, ResultForbidden}) {
		t.Errorf("reported are %v and %v", down, attempts)
	}
}
