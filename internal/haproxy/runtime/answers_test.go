package runtime

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/lab/bounded"
)

// recorded returns the recorded answer of a real HAProxy of a version.
func recorded(t testing.TB, version, name string) []byte {
	t.Helper()
	answer, err := os.ReadFile(filepath.Join("testdata", version, name))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// refuses checks that an error quotes a part of what was unexpected, and not all of it.
func refuses(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
		t.Errorf("got %v, want a short error with %q", err, want)
	}
}

func TestParseInfoReadsWhatHAProxyAnswers(t *testing.T) {
	t.Parallel()
	description := "edgelb structure=" + strings.Repeat("0123456789abcdef", 4)
	for version, want := range map[string]Info{
		"2.6": {Version: "2.6.12", Pid: 31637, Uptime: time.Second, Description: description, MaxConnections: 9978},
		"3.0": {Version: "3.0.11", Pid: 31635, Uptime: time.Second, Description: description, MaxConnections: 9972},
	} {
		if got, err := ParseInfo(recorded(t, version, "show-info")); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", version, got, err, want)
		}
	}
}

func TestParseInfoToleratesWhatMayBeMissing(t *testing.T) {
	t.Parallel()
	got, err := ParseInfo([]byte("Name: HAProxy\nPid: 7\nUptime_sec: 90\nMaxconn: 5\nStopping: 1\n"))
	if want := (Info{Pid: 7, Uptime: 90 * time.Second, MaxConnections: 5, Stopping: true}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestParseInfoSaysWhatWasUnexpected(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, answer, want string }{
		{"nothing", "", `"show info" cannot be read: it has no line "Name: HAProxy": ""`},
		{"refusal", "Permission denied\n", "Permission denied"},
		{"another program", strings.Repeat("220 mail.example.net ESMTP\n", 100), "220 mail.example.net"},
		{"no pid", "Name: HAProxy\nUptime_sec: 1\nMaxconn: 1\n", `Pid is no number: ""`},
		{"bad uptime", "Name: HAProxy\nPid: 1\nUptime_sec: soon\nMaxconn: 1\n", `Uptime_sec is no number: "soon"`},
		{"negative limit", "Name: HAProxy\nPid: 1\nUptime_sec: 1\nMaxconn: -1\n", `Maxconn is no number: "-1"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseInfo([]byte(tc.answer))
			refuses(t, err, tc.want)
		})
	}
}

func TestParseProcessesFollowsTheMasterThroughReloads(t *testing.T) {
	t.Parallel()
	type pids struct{ master, first, second int }
	for version, p := range map[string]pids{"2.6": {31632, 31637, 31646}, "3.0": {31631, 31635, 31643}} {
		full := map[string]string{"2.6": "2.6.12", "3.0": "3.0.11"}[version]
		worker := func(pid, reloads int) []Worker { return []Worker{{Pid: pid, Reloads: reloads, Version: full}} }
		for name, want := range map[string]Processes{
			"show-proc-fresh":    {Master: p.master, Workers: worker(p.first, 0)},
			"show-proc-reloaded": {Master: p.master, Reloads: 1, Workers: worker(p.second, 0), OldWorkers: worker(p.first, 1)},
			"show-proc-failed":   {Master: p.master, Reloads: 2, Failed: 1, Workers: worker(p.second, 1), OldWorkers: worker(p.first, 2)},
		} {
			if got, err := ParseProcesses(recorded(t, version, name)); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s: got %+v, %v, want %+v", version, name, got, err, want)
			}
		}
	}
}

func TestParseProcessesLeavesProgramsOut(t *testing.T) {
	t.Parallel()
	got, err := ParseProcesses([]byte("1 master 0 [failed: 0] 0d 2.6.12\n# workers\n# programs\n9 dataplane 0 0d00h00m01s -\n# old programs\n8 dataplane 1 0d00h00m02s -\n"))
	if want := (Processes{Master: 1}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestParseProcessesSaysWhatWasUnexpected(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, answer, want string }{
		{"nothing", "", `"show proc" cannot be read: it names no master: ""`},
		{"refusal", "Permission denied\n", `a process has 2 fields, not 5: "Permission denied"`},
		{"a worker's socket", "Unknown command: 'show proc', but maybe one of\n", `"Unknown" is no pid`},
		{"no failures", "1 master 3 0d00h00m01s 2.6.12\n", "does not say how many reloads failed"},
		{"open bracket", "1 master 3 [failed: 0 0d00h00m01s\n", "does not say how many reloads failed"},
		{"no reloads", "1 master [failed: 0] 0d00h00m01s 2.6.12\n", "does not say how many reloads there were"},
		{"bad reloads", "1 master x [failed: 0] 0d00h00m01s 2.6.12\n", `"x" is no number`},
		{"bad failures", "1 master 1 [failed: x] 0d00h00m01s 2.6.12\n", `"x" is no number`},
		{"bad worker", "1 master 1 [failed: 0] 0d 2.6\n2 worker x 0d00h00m01s 2.6\n", `"x" is no number`},
		{"pid 0", "0 master 1 [failed: 0] 0d 2.6\n", `"0" is no pid`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseProcesses([]byte(tc.answer))
			refuses(t, err, tc.want)
		})
	}
}

func TestParseServersStateReadsWhatHAProxyAnswers(t *testing.T) {
	t.Parallel()
	for version, port := range map[string]uint16{"2.6": 21411, "3.0": 21421} {
		v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
		const backend = "kube-system.web.https"
		want := []Server{
			{Backend: backend, Name: "web-0", Addr: v4, Port: port, Operation: Running, Weight: 1, InitialWeight: 1, Checked: true},
			{Backend: backend, Name: "web-1", Addr: v4, Port: port + 1, Operation: Stopped, Weight: 1, InitialWeight: 1, Checked: true,
				ID: 2, LastCheck: 8},
			{Backend: backend, Name: "web-2", Addr: v6, Port: port, Operation: Running, Weight: 1, InitialWeight: 1, Checked: true},
			{Backend: backend, Name: "web-3", Addr: v4, Port: port, Operation: Stopped, Admin: 1, Weight: 1, InitialWeight: 1},
			{Backend: backend, Name: "web-4", Addr: v4, Port: port, Operation: Running, Admin: 8, Weight: 1, InitialWeight: 1, Checked: true},
		}
		got, err := ParseServersState(recorded(t, version, "show-servers-state"))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", version, got, err, want)
		}
		var up []string
		for _, s := range got {
			if s.Up() {
				up = append(up, s.Name)
			}
		}
		if want := []string{"web-0", "web-2"}; !reflect.DeepEqual(up, want) {
			t.Errorf("%s: up are %q, want %q", version, up, want)
		}
	}
}

func TestParseServersStateReadsColumnsByName(t *testing.T) {
	t.Parallel()
	answer := "1\n# srv_name srv_port be_name srv_iweight srv_uweight srv_op_state srv_admin_state new srv_addr srv_check_state\n" +
		"s 80 b 7 256 1 0 x - 6\n\n"
	want := []Server{{Backend: "b", Name: "s", Port: 80, Operation: Starting, Weight: 256, InitialWeight: 7, Checked: true}}
	if got, err := ParseServersState([]byte(answer)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestParseServersStateOfNoServersIsEmpty(t *testing.T) {
	t.Parallel()
	answer := strings.Join(strings.Split(string(recorded(t, "2.6", "show-servers-state")), "\n")[:2], "\n") + "\n\n"
	if got, err := ParseServersState([]byte(answer)); err != nil || len(got) != 0 {
		t.Errorf("got %+v, %v, want none", got, err)
	}
}

func TestParseServersStateSaysWhatWasUnexpected(t *testing.T) {
	t.Parallel()
	const head = "1\n# be_name srv_name srv_addr srv_port srv_op_state srv_admin_state srv_uweight srv_iweight srv_check_state\n"
	for _, tc := range []struct{ name, answer, want string }{
		{"nothing", "", "it does not start with version 1"},
		{"refusal", "Permission denied\n", "Permission denied"},
		{"another version", "2\n# be_name srv_name\n", "it does not start with version 1"},
		{"no column names", "1\nb s\n", "it does not start with version 1"},
		{"field missing", head + "b s 127.0.0.1 80 2 0 1\n", "a server has 7 fields, not 9"},
		{"column missing", "1\n# be_name srv_name\nb s\n", "it has no column srv_port"},
		{"cut off within", head + "b s 127.0.0.1 80 2 0 1 1 6\nb s2 127.", "a server has 3 fields, not 9"},
		{"backend name", head + "b;quit s 127.0.0.1 80 2 0 1 1 6\n", "be_name is no name"},
		{"server name", head + "b s/t 127.0.0.1 80 2 0 1 1 6\n", "srv_name is no name"},
		{"port", head + "b s 127.0.0.1 65536 2 0 1 1 6\n", "srv_port is no number of 16 bits"},
		{"state", head + "b s 127.0.0.1 80 up 0 1 1 6\n", "srv_op_state is no number"},
		{"weight", head + "b s 127.0.0.1 80 2 0 -1 1 6\n", "srv_uweight is no number"},
		{"column twice", strings.Replace(head, "srv_addr", "srv_name", 1) + "b s 127.0.0.1 80 2 0 1 1 6\n", `it has the column "srv_name" twice`},
		{"too many columns", "1\n# " + strings.Repeat("be_name srv_name ", 1) + manyColumns(200) + "\n", "it has more than 100 columns"},
		{"a long column", "1\n# " + strings.Repeat("x", 9000) + " " + strings.Repeat("x", 9000) + "\n", "twice"},
		{"long line", head + strings.Repeat("x ", 5000), "a server has more than 9 fields"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseServersState([]byte(tc.answer))
			if got != nil {
				t.Errorf("got %+v beside the error", got)
			}
			refuses(t, err, tc.want)
		})
	}
}

func manyColumns(n int) string {
	var columns []string
	for i := range n {
		columns = append(columns, fmt.Sprint("c", i))
	}
	return strings.Join(columns, " ")
}

// A program in the place of HAProxy chooses the lines: none may cost more than a few times its length.
func TestParsersTakeNoMoreMemoryThanAnswersDo(t *testing.T) {
	const head = "1\n# be_name srv_name srv_addr srv_port srv_op_state srv_admin_state srv_uweight srv_iweight srv_check_state\n"
	const size = 1 << 20
	fill := func(before, line string) []byte { return []byte(before + strings.Repeat(line, size/len(line))) }
	for name, answer := range map[string][]byte{
		"line ends":               fill("0x1 a b", "\n"),
		"line ends and an end":    append(fill("0x1 a b", "\n"), 'x'),
		"servers' line ends":      append(fill(head+"b s - 1 1 1 1 1 1", "\n"), 'x'),
		"short servers":           fill(head, "b s - 1 1 1 1 1 1\n"),
		"short entries":           fill("", "0x a\n"),
		"short words":             fill("1\n# ", "a "),
		"a server of short words": fill(head, "a "),
		"short processes":         fill("1 master 0 [failed: 0] 0d 2.6.12\n", "1 worker 0 x\n"),
		"short lines":             fill("Name: HAProxy\n", "a:\n"),
		"a long version":          fill("Name: HAProxy\nPid: 1\nUptime_sec: 1\nMaxconn: 1\nVersion: ", "1"),
	} {
		for parser, parse := range map[string]func(){
			"info":      func() { _, _ = ParseInfo(answer) },
			"processes": func() { _, _ = ParseProcesses(answer) },
			"servers":   func() { _, _ = ParseServersState(answer) },
			"filter":    func() { FilterServersState(answer, func(Server) bool { return true }) },
			"names":     func() { _, _ = ParseNames(answer) },
			"name":      func() { _, _, _ = ParseName("a", answer) },
			"map size":  func() { MapSize("/x", answer) },
		} {
			bounded.Run(t, parser+" of "+name, len(answer), parse)
		}
	}
}

func TestAdminBitsDetermineTheMode(t *testing.T) {
	t.Parallel()
	for admin, want := range map[Admin]Mode{
		0: Ready, 1: Maintenance, 2: Maintenance, 4: Maintenance, 8: Drain, 16: Drain, 32: Maintenance, 64: Maintenance, 9: Maintenance, 24: Drain,
	} {
		if got := admin.Mode(); got != want {
			t.Errorf("%d: got %s, want %s", admin, got, want)
		}
	}
}

func TestAServerIsUpWhenItTakesNewConnections(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		operation Operation
		admin     Admin
		want      bool
	}{
		{Running, 0, true},
		{Starting, 0, true},
		{Stopped, 0, false},
		{Stopping, 0, false},
		{Running, 8, false},
		{Running, 1, false},
	} {
		if got := (Server{Operation: tc.operation, Admin: tc.admin}).Up(); got != tc.want {
			t.Errorf("operation %d, admin %d: got %v, want %v", tc.operation, tc.admin, got, tc.want)
		}
	}
}

func FuzzParsers(f *testing.F) {
	for _, version := range []string{"2.6", "3.0"} {
		for _, name := range []string{"show-info", "show-proc-failed", "show-servers-state"} {
			f.Add(recorded(f, version, name))
		}
	}
	f.Add([]byte("1\n# srv_name srv_name be_name\na b c\n"))
	f.Add([]byte(strings.Repeat("\n", 4096) + "x"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		bounded.Run(t, "reading it", len(answer), func() { parseAll(t, answer) })
	})
}

func parseAll(t *testing.T, answer []byte) {
	if info, err := ParseInfo(answer); err != nil && info != (Info{}) {
		t.Errorf("got %+v beside %v", info, err)
	}
	if p, err := ParseProcesses(answer); err == nil && (p.Master <= 0 || p.Reloads < 0 || p.Failed < 0) {
		t.Errorf("got %+v", p)
	}
	all, err := ParseServersState(answer)
	for _, s := range all {
		if err != nil || s.Weight < 0 || strings.ContainsAny(s.Backend+s.Name, " ;\n/") {
			t.Errorf("got %+v, %v", s, err)
		}
	}
	kept := FilterServersState(answer, func(Server) bool { return true })
	if again, err := ParseServersState(kept); kept != nil && (err != nil || len(again) != len(all)) {
		t.Errorf("%d of %d servers are left when all are kept, error %v", len(again), len(all), err)
	}
	if err != nil && len(err.Error()) > 1000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	_, _ = MapSize("/x", answer)
}
