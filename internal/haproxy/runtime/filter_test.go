package runtime_test

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

const threeServers = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port srv_check_state
3 web 1 a 10.0.0.1 2 0 1 1 80 6
3 web 2 b 10.0.0.2 0 0 1 1 80 6
3 web 3 c 10.0.0.3 0 1 1 1 80 6
`

func TestFilterServersStateKeepsTheLinesThatAreWanted(t *testing.T) {
	t.Parallel()
	down := func(s runtime.Server) bool { return s.Operation == runtime.Stopped && s.Admin.Mode() == runtime.Ready }

	kept := string(runtime.FilterServersState([]byte(threeServers), down))

	want := strings.Join(strings.Split(threeServers, "\n")[:2], "\n") + "\n3 web 2 b 10.0.0.2 0 0 1 1 80 6\n"
	if kept != want {
		t.Errorf("got\n%swant\n%s", kept, want)
	}
}

func TestFilterServersStateLeavesOutThePortsOfChecks(t *testing.T) {
	t.Parallel()
	answer := strings.Replace(threeServers, " srv_check_state", " srv_check_state srv_check_port", 1)
	answer = strings.ReplaceAll(answer, " 80 6\n", " 80 6 8081\n")
	kept := string(runtime.FilterServersState([]byte(answer), func(runtime.Server) bool { return true }))
	if strings.Contains(kept, "8081") || strings.Count(kept, " 80 6 0\n") != 3 {
		t.Errorf("kept\n%s", kept)
	}
}

func TestFilterServersStateDropsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"", "1\n", "no state", threeServers + "half a li"} {
		if kept := runtime.FilterServersState([]byte(answer), func(runtime.Server) bool { return true }); len(kept) > 0 {
			t.Errorf("of %q %q is kept", answer, kept)
		}
	}
}
