package scripts_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/host/scripts"
	"github.com/edgelb/edgelb/internal/lab/shells"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// byHand is a file that a person has written, in all the ways that keepalived reads.
const byHand = `! Configuration File for keepalived
global_defs { router_id LVS } # interface lo
vrrp_instance VI_1 {
    interface eth0
    virtual_ipaddress {
        192.0.2.10
        192.0.2.11/24 dev eth1 label eth1:vip ! 192.0.2.99
        # 192.0.2.98
    }
}
vrrp_instance VI_2 {
    virtual_ipaddress { 192.0.2.12 }
    interface bond0.7
    virtual_ipaddress_excluded {
        2001:db8::1/64
        $(touch /tmp/x)
    }
    unicast_peer { 192.0.2.97 }
}
`

// observe runs the script that observes keepalived, and returns its lines with that key.
func observe(t *testing.T, shell shells.Shell, folder string, keys ...string) []string {
	t.Helper()
	return observePart(t, shell, folder, "all", keys...)
}

func observePart(t *testing.T, shell shells.Shell, folder, part string, keys ...string) []string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	call := newCall(t, "keepalived-observe", nil, filepath.Join(folder, "keepalived.conf"), filepath.Join(folder, "edgelb"), filepath.Join(folder, "results", "check"), me.Username,
		filepath.Join(folder, "notices"), "notice-", part)
	began := time.Now()
	output, ran, exit := run(t, shell, call, len(call.Input))
	if !ran || exit != 0 {
		t.Fatalf("ran %t, exit status %d: %s", ran, exit, output)
	}
	if took := time.Since(began); took > waiting.Of(20*time.Second) {
		t.Errorf("it took %s", took)
	}
	var lines []string
	for line := range strings.Lines(output) {
		if key, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); slices.Contains(keys, key) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// pathOf returns a folder with the programs of a shell's host, except for those that could ask a socket, and with these scripts instead.
func pathOf(t *testing.T, shell shells.Shell, instead map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range instead {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, of := range filepath.SplitList(shell.Path) {
		programs, _ := os.ReadDir(of) // a PATH may name folders that are not there
		for _, program := range programs {
			if slices.Contains([]string{"perl", "python3", "socat", "nc"}, program.Name()) {
				continue
			}
			_ = os.Symlink(filepath.Join(of, program.Name()), filepath.Join(folder, program.Name())) // the first of a name counts
		}
	}
	return folder
}

func TestAToolThatCanAskASocketIsObserved(t *testing.T) {
	t.Parallel()
	const bsd, other = `printf 'usage: nc [-46U]\n\t-U\t\tUse UNIX domain socket\n' >&2`, `echo 'Usage: nc [OPTIONS] HOST PORT' >&2; exit 1`
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		host := shell
		for _, test := range []struct {
			programs map[string]string
			want     []string
		}{
			{map[string]string{}, nil},
			{map[string]string{"nc": other}, nil},
			{map[string]string{"nc": bsd}, []string{"tool nc"}},
			{map[string]string{"nc": bsd, "socat": ""}, []string{"tool socat"}},
			{map[string]string{"nc": bsd, "perl": "", "python3": ""}, []string{"tool perl"}},
		} {
			host.Path = pathOf(t, shell, test.programs)
			if got := observe(t, host, t.TempDir(), "tool"); !slices.Equal(got, test.want) {
				t.Errorf("with %q: got %q, want %q", slices.Sorted(maps.Keys(test.programs)), got, test.want)
			}
		}
	})
}

func TestTheFileOfKeepalivedIsObserved(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := t.TempDir()
		if got := observe(t, shell, folder, "exists", "sha256", "header", "virtual", "script", "secret", "notices", "notice", "maintenance", "results", "check"); got != nil {
			t.Errorf("of nothing it prints %q", got)
		}
		writeFile(t, filepath.Join(folder, "keepalived.conf"), "# Managed by edgelb.\n# owner: a\n"+byHand)
		for _, sub := range []string{"edgelb", "results"} {
			if err := os.Mkdir(filepath.Join(folder, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		check := filepath.Join(folder, "edgelb", "check-0123456789abcdef.sh")
		writeFile(t, check, "")
		writeFile(t, filepath.Join(folder, "edgelb", "check-x y.sh"), "")
		writeFile(t, filepath.Join(folder, "edgelb", "notify-0123456789abcdef.sh"), "")
		writeFile(t, filepath.Join(folder, "edgelb", "maintenance"), "1\n")
		writeFile(t, filepath.Join(folder, "edgelb", "enabled"), "")
		got := observe(t, shell, folder, "exists", "sha256", "header", "virtual", "script", "secret", "notices", "notice", "maintenance", "results", "enabledhere")
		want := []string{
			"exists yes", "sha256 " + sum("# Managed by edgelb.\n# owner: a\n"+byHand), "header # Managed by edgelb.", "header # owner: a",
			"virtual eth0 192.0.2.10", "virtual eth0 192.0.2.11/24", "virtual - 192.0.2.12", "virtual bond0.7 2001:db8::1/64",
			"script " + sumOfEmpty + " " + check, "script " + sumOfEmpty + " " + filepath.Join(folder, "edgelb", "notify-0123456789abcdef.sh"), "enabledhere yes", "maintenance 1", "results yes",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestAChangeOfAFileIsSeenWithoutReadingIt(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := t.TempDir()
		if err := os.MkdirAll(filepath.Join(folder, "edgelb", "secrets", "web"), 0o755); err != nil {
			t.Fatal(err)
		}
		files := []string{filepath.Join(folder, "keepalived.conf"), filepath.Join(folder, "edgelb", "check-00.sh"), filepath.Join(folder, "edgelb", "secrets", "web", "token")}
		marks := func() []string { return observePart(t, shell, folder, "state", "mark") }
		for _, file := range files {
			before := marks()
			writeFile(t, file, "text\n")
			created := marks()
			writeFile(t, file, "another text\n")
			changed := marks()
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
			if slices.Equal(before, created) || slices.Equal(created, changed) || slices.Equal(changed, marks()) {
				t.Errorf("of %s: %q, %q, %q, %q", file, before, created, changed, marks())
			}
		}
		if whole := observe(t, shell, folder, "mark"); !slices.Equal(whole, marks()) {
			t.Errorf("with all else there are the marks %q, want %q", whole, marks())
		}
		if got := observePart(t, shell, folder, "state", "exists", "sha256", "version", "tool", "init", "service", "script", "secret"); got != nil {
			t.Errorf("without a reason, %q is read", got)
		}
		if got := observePart(t, shell, folder, "state", "uptime"); len(got) != 1 {
			t.Errorf("the state has %q", got)
		}
	})
}

// The account of the check may put anything there.
func TestAResultThatIsNoneIsNotPrinted(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("a", 64)
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for name, test := range map[string]struct {
			make func(path string) error
			want bool
		}{
			"a result":                  {func(path string) error { return os.WriteFile(path, []byte(hash+" ok 1.50\n"), 0o600) }, true},
			"a failure":                 {func(path string) error { return os.WriteFile(path, []byte(hash+" failed 123456.00"), 0o600) }, true},
			"a short hash":              {func(path string) error { return os.WriteFile(path, []byte(hash[1:]+" ok 1.50\n"), 0o600) }, false},
			"more than a result":        {func(path string) error { return os.WriteFile(path, []byte(hash+" ok 1.50 x\n"), 0o600) }, false},
			"another line first":        {func(path string) error { return os.WriteFile(path, []byte("uid 0\n"+hash+" ok 1.50\n"), 0o600) }, false},
			"a large file":              {func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("a"), 1<<20), 0o600) }, false},
			"an empty file":             {func(path string) error { return os.WriteFile(path, nil, 0o600) }, false},
			"a folder":                  {func(path string) error { return os.Mkdir(path, 0o755) }, false},
			"a pipe":                    {func(path string) error { return syscall.Mkfifo(path, 0o600) }, false},
			"a link to nothing":         {func(path string) error { return os.Symlink("/nonexistent", path) }, false},
			"a link to an endless file": {func(path string) error { return os.Symlink("/dev/zero", path) }, false},
			"a link to a result": {func(path string) error {
				writeErr := os.WriteFile(path+"2", []byte(hash+" ok 1.50\n"), 0o600)
				return errorOf(writeErr, os.Symlink(path+"2", path))
			}, false},
		} {
			folder := t.TempDir()
			if err := errorOf(os.Mkdir(filepath.Join(folder, "results"), 0o755), test.make(filepath.Join(folder, "results", "check"))); err != nil {
				t.Fatal(err)
			}
			got := observe(t, shell, folder, "check", "uptime", "results")
			// The uptime follows the result, which is never younger then.
			if len(got) < 2 || strings.HasPrefix(got[1], "check "+hash) != test.want || !strings.HasPrefix(got[len(got)-1], "uptime ") || len(got) > 3 {
				t.Errorf("%s: got %q", name, got)
			}
		}
	})
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestTheFileOfKeepalivedReplacesOnlyTheExpectedOne(t *testing.T) {
	t.Parallel()
	const previous, text = "mine\n", "theirs /check-aa.sh\n"
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for name, test := range map[string]struct {
			previous, candidate, expected, backup, former string
			exit                                          int
		}{
			"the expected one":           {previous, text, sum(previous), "-", "-", 0},
			"none, as expected":          {"", text, "-", "-", "-", 0},
			"it is kept until the next":  {previous, text, sum(previous), "-", "former", 0},
			"it is kept for good":        {previous, text, sum(previous), "backup", "former", 0},
			"another one":                {"other\n", text, sum(previous), "backup", "former", 4},
			"none":                       {"", text, sum(previous), "-", "-", 4},
			"one where none was":         {previous, text, "-", "-", "-", 4},
			"the candidate is gone":      {previous, "", sum(previous), "-", "-", 4},
			"the candidate was replaced": {previous, "other\n", sum(previous), "-", "-", 1},
		} {
			folder := t.TempDir()
			config := filepath.Join(folder, "keepalived.conf")
			new := config + ".edgelb-new-0123456789abcdef"
			for path, content := range map[string]string{config: test.previous, new: test.candidate} {
				if content != "" {
					writeFile(t, path, content)
				}
			}
			call := newCall(t, "keepalived-commit", nil, config, new, sum(text), test.backup, test.former, test.expected, folder)
			output, ran, exit := run(t, shell, call, len(call.Input))
			want := map[string]string{config: test.previous}
			if test.exit == 0 {
				want[config] = text
				if test.backup == "backup" {
					want[config+".before-edgelb"] = test.previous
				}
				if test.former == "former" {
					want[config+".edgelb-former"] = test.previous
				}
			}
			if !ran || exit != test.exit || (exit == 0 && output != sum(text)+"\n") {
				t.Errorf("%s: ran %t, exit status %d, %q", name, ran, exit, output)
			}
			requireFiles(t, name, folder, want)
		}
	})
}

// requireFiles compares the files of a folder; an empty content is no file.
func requireFiles(t *testing.T, name, folder string, want map[string]string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil || want[path] != string(text) || len(text) == 0 {
			t.Errorf("%s: %s is %q, want %q: %v", name, path, text, want[path], err)
		}
		delete(want, path)
	}
	for path, content := range want {
		if content != "" {
			t.Errorf("%s: %s is missing", name, path)
		}
	}
}

func TestTheLastAndTheFirstFileOfSomebodyElseStay(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := t.TempDir()
		config := filepath.Join(folder, "keepalived.conf")
		for _, text := range []string{"first\n", "second\n", "third\n", "third\n"} {
			writeFile(t, config, text)
			writeFile(t, config+".new", "ours\n")
			call := newCall(t, "keepalived-commit", nil, config, config+".new", sum("ours\n"), "backup", "-", sum(text), folder)
			if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit != 0 {
				t.Fatalf("ran %t, exit status %d", ran, exit)
			}
		}
		requireFiles(t, "", folder, map[string]string{config: "ours\n", config + ".before-edgelb": "third\n", config + ".before-edgelb-first": "first\n"})
	})
}

func TestScriptsThatNoFileNamesAreRemoved(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := t.TempDir()
		config := filepath.Join(folder, "keepalived.conf")
		check := func(name string) string {
			return filepath.Join(folder, map[string]string{"aa": "check-", "bb": "check-", "cc": "notify-", "dd": "notify-"}[name]+name+".sh")
		}
		for _, name := range []string{"aa", "bb", "cc", "dd"} {
			writeFile(t, check(name), name)
		}
		previous, text := "uses "+check("bb")+"\n", "uses "+check("cc")+"\n"
		writeFile(t, config, previous)
		writeFile(t, config+".new", text)
		call := newCall(t, "keepalived-commit", nil, config, config+".new", sum(text), "-", "former", sum(previous), folder)
		if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit != 0 {
			t.Fatalf("ran %t, exit status %d", ran, exit)
		}
		requireFiles(t, "", folder, map[string]string{config: text, config + ".edgelb-former": previous, check("bb"): "bb", check("cc"): "cc"})
	})
}

func TestKeepalivedJudgesTheCandidate(t *testing.T) {
	t.Parallel()
	const text, check, notify = "vrrp_instance\n", "exit 0\n", "#!/bin/sh\nexit 1\n"
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for name, test := range map[string]struct {
			program string
			short   int
			exit    int
		}{
			"good":                  {`[ "$1 $2" = "-t -f" ] && [ "$(cat "$3")" = vrrp_instance ]`, 0, 0},
			"bad":                   {"exit 5", 0, 1},
			"it ends itself":        {"exit 143", 0, 5},
			"it is cut":             {"exit 0", 1, 3},
			"somebody has taken it": {`rm "$3"; exit 5`, 0, 4},
		} {
			folder := t.TempDir()
			config, program := filepath.Join(folder, "keepalived.conf"), filepath.Join(t.TempDir(), "keepalived")
			writeFile(t, program, "#!/bin/sh\n"+test.program+"\n")
			if err := os.Chmod(program, 0o755); err != nil {
				t.Fatal(err)
			}
			candidate := config + ".edgelb-new-0123456789abcdef0123456789abcdef"
			writeFile(t, config+".edgelb-new-0123456789abcdeffffffffffffffffff"[:len(candidate)-len(config)], "of a broken attempt\n")
			want := map[string]string{filepath.Join(folder, "check-aa.sh"): check, filepath.Join(folder, "notify-bb.sh"): notify}
			if test.exit == 0 {
				want[candidate] = text
			}
			if test.exit == 3 {
				clear(want)
			}
			call := newCall(t, "keepalived-stage", []byte(text+check+notify), config, program, candidate, fmt.Sprint(len(text)),
				fmt.Sprintf("%d %s", len(check), filepath.Join(folder, "check-aa.sh")), fmt.Sprintf("%d %s", len(notify), filepath.Join(folder, "notify-bb.sh")))
			if _, ran, exit := run(t, shell, call, len(call.Input)-test.short); !ran || exit != test.exit {
				t.Errorf("%s: ran %t, exit status %d", name, ran, exit)
			}
			requireFiles(t, name, folder, want)
		}
	})
}

func TestWhatKeepalivedNeedsBesideItsFileIsPutInPlaceAndRemoved(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		root := t.TempDir()
		folder, results, config := filepath.Join(root, "edgelb"), filepath.Join(root, "results"), filepath.Join(root, "keepalived.conf")
		for _, maintenance := range []string{"1", "0", "0"} {
			call := newCall(t, "keepalived-prepare", nil, folder, results, me.Username, maintenance)
			if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit != 0 {
				t.Fatalf("ran %t, exit status %d", ran, exit)
			}
			requireFiles(t, maintenance, folder, map[string]string{filepath.Join(folder, "maintenance"): maintenance + "\n"})
		}
		call := newCall(t, "keepalived-prepare", nil, folder, results, "nobody of that name", "0")
		if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit == 0 {
			t.Errorf("without the account: ran %t, exit status %d", ran, exit)
		}

		writeFile(t, config, "ours\n")
		writeFile(t, config+".edgelb-former", "ours\n")
		writeFile(t, config+".before-edgelb", "theirs\n")
		writeFile(t, filepath.Join(results, "check"), "x")
		call = newCall(t, "keepalived-secrets", []byte("s"), filepath.Join(folder, "secrets"), filepath.Join(root, "notices"), me.Username, "1 web/token")
		if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit != 0 {
			t.Fatalf("ran %t, exit status %d", ran, exit)
		}
		for expected, want := range map[string]int{sum("other\n"): 4, sum("ours\n"): 0} {
			if want == 0 && os.Getuid() != 0 {
				// Only root may take the folder from the account of the check.
				continue
			}
			call := newCall(t, "keepalived-remove", nil, config, expected, folder, results, filepath.Join(root, "notices"), "lo 192.0.2.1/32", "nonexistent0 2001:db8::1/64")
			if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit != want {
				t.Errorf("ran %t, exit status %d, want %d", ran, exit, want)
			}
		}
		if left, err := os.ReadDir(root); os.Getuid() == 0 && (err != nil || len(left) != 1 || left[0].Name() != "keepalived.conf.before-edgelb") {
			t.Errorf("what is left is %v, %v", left, err)
		}
	})
}

func TestTheFormerFileOfKeepalivedIsRestored(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for name, test := range map[string]struct {
			how, former, want string
			fails             bool
		}{
			"the former one":    {"former", "former\n", "former\n", false},
			"none":              {"none", "former\n", "", false},
			"it was not kept":   {"former", "", "present\n", true},
			"something unknown": {"other", "former\n", "present\n", true},
		} {
			folder := t.TempDir()
			config := filepath.Join(folder, "keepalived.conf")
			writeFile(t, config, "present\n")
			if test.former != "" {
				writeFile(t, config+".edgelb-former", test.former)
			}
			call := newCall(t, "keepalived-restore", nil, config, test.how)
			if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || (exit != 0) != test.fails {
				t.Errorf("%s: ran %t, exit status %d", name, ran, exit)
			}
			requireFiles(t, name, folder, map[string]string{config: test.want, config + ".edgelb-former": test.former})
		}
	})
}

func TestAReloadGoesToKeepalivedOnly(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		other := exec.Command("sleep", "1000")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = other.Process.Kill()
			_ = other.Wait()
		}()
		for _, task := range []string{fmt.Sprintf("reload signal %d", other.Process.Pid), "reload signal 999999999", "reload ", "start signal 1", "reload; reboot", ""} {
			call := newCall(t, "keepalived-service", nil, task, t.TempDir())
			if output, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit == 0 {
				t.Errorf("%q: ran %t, exit status %d: %s", task, ran, exit, output)
			}
		}
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", other.Process.Pid)); err != nil || strings.Contains(string(state), ") Z") {
			t.Errorf("the process was ended: %v", err)
		}
	})
}

// Each argument that a script needs is checked before anything is done: a script without it removes nothing of the machine's.
func TestAScriptOfKeepalivedWithoutItsArgumentsDoesNothing(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for _, name := range []string{"prepare", "stage", "commit", "restore", "service", "remove", "observe", "secrets", "notify"} {
			call, err := scripts.NewCall("keepalived-"+name, nil)
			if err != nil {
				t.Fatal(err)
			}
			if output, _, exit := run(t, shell, call, len(call.Input)); exit == 0 || output != "" {
				t.Errorf("%s: exit status %d, %q", name, exit, output)
			}
		}
	})
}

func TestAFileOfASecretIsForItsAccountAlone(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		root := t.TempDir()
		secrets, notices := filepath.Join(root, "edgelb", "secrets"), filepath.Join(root, "notices")
		for _, step := range []struct {
			payload string
			args    []string
			want    map[string]string
		}{
			{"", nil, nil},
			{"line\n\n$(id)'\"\x00\xffend", []string{"16 web/token", "0 web/empty", "2 shop.mail/-.a_b"}, map[string]string{"web/token": "line\n\n$(id)'\"\x00\xffe", "web/empty": "", "shop.mail/-.a_b": "nd"}},
			{"other", []string{"- shop.mail", "5 web/token"}, map[string]string{"web/token": "other", "shop.mail/-.a_b": "nd"}},
			{"12", []string{"1 a/x", "1 a.b/x"}, map[string]string{"a/x": "1", "a.b/x": "2"}},
			{"", nil, nil},
		} {
			call := newCall(t, "keepalived-secrets", []byte(step.payload), append([]string{secrets, notices, me.Username}, step.args...)...)
			if output, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit != 0 {
				t.Fatalf("%q: ran %t, exit status %d: %s", step.args, ran, exit, output)
			}
			requireSecrets(t, secrets, step.want)
		}
		if info, err := os.Stat(notices); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the folder of the results is %v, %v", info, err)
		}
		// What arrives in part replaces nothing.
		call := newCall(t, "keepalived-secrets", []byte("whole"), secrets, notices, me.Username, "5 web/token")
		if _, ran, exit := run(t, shell, call, len(call.Input)-1); !ran || exit == 0 {
			t.Errorf("cut: ran %t, exit status %d", ran, exit)
		}
		requireSecrets(t, secrets, nil)
	})
}

// requireSecrets compares all files below a folder, which only their owner may read.
func requireSecrets(t *testing.T, folder string, want map[string]string) {
	t.Helper()
	found := map[string]string{}
	err := filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		found[name] = string(text)
		if info.Mode() != 0o400 {
			t.Errorf("%s has the mode %s", name, info.Mode())
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) || len(found) != len(want) {
		t.Errorf("got %q, want %q: %v", found, want, err)
	}
	for name, text := range want {
		if found[name] != text {
			t.Errorf("%s is %q, want %q", name, found[name], text)
		}
	}
}

// The account of the command may put anything there, and its words are what a stranger on the network may have chosen.
func TestAResultOfACommandIsOneLine(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef"
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := t.TempDir()
		notices := filepath.Join(folder, "notices")
		if err := os.Mkdir(notices, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"notice-web": id + " failed 22 98.00 " + id + " curl: (22) \x1b[1m404 $(id)\r\nuid 0\n", "notice-ns.ok": id + " ran 0 1.00 - \n",
			"notice-long": id + " failed 1 98.00 - " + strings.Repeat("x", 5000), "notice-short": id[1:] + " ran 0 1.00 - x\n", "notice-old": id + " ran 0 1.00 words\n",
			"notice-other": "uid 0\n", "notice-a b": id + " ran 0 1.00 - x\n", "notice-": id + " ran 0 1.00 - x\n", "turn-web": id + " ran 0 1.00 - x\n",
		} {
			writeFile(t, filepath.Join(notices, name), text)
		}
		if err := errorOf(os.Symlink("notice-web", filepath.Join(notices, "notice-link")), syscall.Mkfifo(filepath.Join(notices, "notice-pipe"), 0o600)); err != nil {
			t.Fatal(err)
		}
		got := observe(t, shell, folder, "notices", "notice")
		want := []string{
			"notices yes", "notice long " + id + " failed 1 98.00 - " + strings.Repeat("x", 1100-len(id+" failed 1 98.00 - ")),
			"notice ns.ok " + id + " ran 0 1.00 - ", "notice web " + id + " failed 22 98.00 " + id + " curl: (22) [1m404 $(id)",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%q\nwant\n%q", got, want)
		}
	})
}
