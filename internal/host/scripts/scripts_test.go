package scripts_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/host/scripts"
	"github.com/edgelb/edgelb/internal/lab/shells"
)

// run runs a call, with the first bytes of its input only, in a folder of its own. It returns what the script itself wrote to
// stdout and whether it ran.
func run(t *testing.T, shell shells.Shell, call scripts.Call, bytesOfInput int) (output string, ran bool, exit int) {
	t.Helper()
	cmd := shell.Command(scripts.CommandLine(false))
	cmd.Dir = t.TempDir()
	cmd.Stdin = bytes.NewReader(call.Input[:bytesOfInput])
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	own, ran := call.Output(stdout.Bytes())
	return string(own), ran, cmd.ProcessState.ExitCode()
}

const sumOfEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func newCall(t *testing.T, name string, payload []byte, args ...string) scripts.Call {
	t.Helper()
	call, err := scripts.NewCall(name, payload, args...)
	if err != nil {
		t.Fatal(err)
	}
	return call
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAScriptGetsItsArgumentsAsTheyAre(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		path := t.TempDir() + `/a "strange" $name; \n with 'quotes' and more.cfg`
		writeFile(t, path, "")
		call := newCall(t, "hashes", nil, path, "")

		output, ran, exit := run(t, shell, call, len(call.Input))

		// There is no second file.
		const want = sumOfEmpty + "\n-\n"
		if !ran || exit != 0 || output != want {
			t.Errorf("got %q, exit status %d, want %q", output, exit, want)
		}
	})
}

func TestAScriptRunsOnlyOnceItHasArrivedAsAWhole(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		config := filepath.Join(t.TempDir(), "haproxy.cfg")
		call := newCall(t, "restore", nil, config, "none")
		const step = 61
		for cut := 0; cut < len(call.Input); cut += step {
			writeFile(t, config, "global\n")
			if output, ran, exit := run(t, shell, call, cut); ran || exit == 0 || output != "" {
				t.Fatalf("after %d of %d bytes the script ran: exit status %d, output %q", cut, len(call.Input), exit, output)
			}
			if _, err := os.Stat(config); err != nil {
				t.Fatalf("after %d of %d bytes: %v", cut, len(call.Input), err)
			}
		}
		if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit != 0 {
			t.Fatalf("the whole script ran: %t, exit status %d", ran, exit)
		}
	})
}

// A cut script, with the candidate's name missing, once removed the files of the login's folder.
func TestAScriptThatIsCutRemovesNothingOfTheAccounts(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		call := newCall(t, "stage", []byte("global\n"), "/nonexistent/haproxy.cfg", "/bin/true", "/nonexistent/haproxy.cfg.edgelb-new-0123456789abcdef", "7", "")
		end := bytes.Index(call.Input, []byte("#end of script"))
		for _, cut := range []int{0, 1, end / 4, end / 2, end - 1} {
			cmd := shell.Command(scripts.CommandLine(false))
			cmd.Dir = t.TempDir()
			writeFile(t, filepath.Join(cmd.Dir, "mine"), "precious")
			cmd.Stdin = bytes.NewReader(call.Input[:cut])
			_ = cmd.Run() // it fails, since the script has no end
			if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) != 1 {
				t.Errorf("after %d bytes: %v, %v is left of the folder", cut, err, left)
			}
		}
	})
}

func TestAnIncompletePayloadReplacesNothing(t *testing.T) {
	t.Parallel()
	const text, state = "global\n", "1\n# the servers\n"
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for _, test := range []struct {
			script string
			file   string
			call   func(config string) scripts.Call
		}{
			{"stage", ".edgelb-new-0123456789abcdef", func(config string) scripts.Call {
				return newCall(t, "stage", []byte(text), config, "/bin/true", config+".edgelb-new-0123456789abcdef", fmt.Sprint(len(text)), "")
			}},
			{"commit", ".edgelb-state", func(config string) scripts.Call {
				return newCall(t, "commit", []byte(state), config, config+".edgelb-new-0123456789abcdef", strings.Repeat("0", 64), "-", "-", "-", "", "")
			}},
		} {
			config := filepath.Join(t.TempDir(), "haproxy.cfg")
			call := test.call(config)
			for short := 1; short <= 4; short++ {
				if _, ran, exit := run(t, shell, call, len(call.Input)-short); !ran || exit != 3 {
					t.Errorf("%s: %d bytes short: ran %t, exit status %d", test.script, short, ran, exit)
				}
				if _, err := os.Stat(config + test.file); err == nil {
					t.Errorf("%s: %d bytes short: %s was written", test.script, short, config+test.file)
				}
			}
		}
	})
}

func TestAFileIsSavedOnlyAsAWholeAndOverTheOneThatIsExpected(t *testing.T) {
	t.Parallel()
	const previous, text = "global\n", "global\n# a server\n"
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for _, entries := range []string{"", "/a.example.com be\n"} {
			for name, test := range map[string]struct {
				previous  string
				short     int
				exit      int
				want      string
				wantState string
			}{
				"the expected one":      {previous, 0, 0, text, ""},
				"somebody else's":       {"# mine\n", 0, 4, "# mine\n", "1\n"},
				"an empty one":          {"", 0, 4, "", "1\n"},
				"cut by the connection": {previous, 1, 3, previous, "1\n"},
			} {
				folder := t.TempDir()
				config, candidate, mapFile := filepath.Join(folder, "haproxy.cfg"), filepath.Join(folder, "haproxy.cfg.edgelb-new-0123456789abcdef"), ""
				writeFile(t, config, test.previous)
				writeFile(t, config+".edgelb-state", "1\n")
				writeFile(t, folder+"/haproxy.cfg.edgelb-new-fedcba9876543210.names", "of an earlier attempt")
				wantOutput, wantMap, mapSum := sum(text)+"\n", "/old be\n", ""
				if entries != "" {
					mapFile, mapSum = filepath.Join(folder, "map"), sum(entries)
					writeFile(t, mapFile, wantMap)
					wantOutput += mapSum + "\n"
				}
				call := newCall(t, "save", []byte(text+entries), config, candidate, sum(previous), sum(text), fmt.Sprint(len(text)), mapFile, mapSum)

				output, ran, exit := run(t, shell, call, len(call.Input)-test.short)

				if !ran || exit != test.exit || (exit == 0 && output != wantOutput) {
					t.Errorf("%s: ran %t, exit status %d, output %q", name, ran, exit, output)
				}
				requireContent(t, config, test.want)
				requireContent(t, config+".edgelb-state", test.wantState)
				if exit == 0 {
					wantMap = entries
				}
				if mapFile != "" {
					requireContent(t, mapFile, wantMap)
				}
				if left, err := filepath.Glob(config + ".edgelb-new-*"); err != nil || len(left) > 0 {
					t.Errorf("%s: %q was left", name, left)
				}
			}
		}
	})
}

func TestAConfigurationIsPrintedWithTheMapFileOfItsStructure(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		config := filepath.Join(t.TempDir(), "haproxy.cfg")
		prefix := config + ".edgelb-names-"
		writeFile(t, prefix+sum("a")[:16], "name backend\n")
		for name, test := range map[string]struct {
			text, want string
			fails      bool
		}{
			"with a map file":       {text: "# structure: " + sum("a") + "\nglobal\n", want: "name backend\n"},
			"without one":           {text: "# structure: " + sum("b") + "\nglobal\n"},
			"another's":             {text: "# structure: ../../etc/passwd\nglobal"},
			"a field further below": {text: strings.Repeat("#\n", 12) + "# structure: " + sum("a") + "\n"},
			"an empty one":          {},
			"none":                  {fails: true},
		} {
			if err := os.RemoveAll(config); err != nil {
				t.Fatal(err)
			}
			if !test.fails {
				writeFile(t, config, test.text)
			}
			call := newCall(t, "print", nil, config, prefix)
			output, ran, exit := run(t, shell, call, len(call.Input))
			if want := fmt.Sprintf("%d\n%s%s", len(test.text), test.text, test.want); !ran || (exit != 0) != test.fails || !test.fails && output != want {
				t.Errorf("%s: got %q, exit status %d, want %q", name, output, exit, want)
			}
		}
	})
}

// A special builtin whose redirection fails ends dash and busybox's sh, and would leave the candidate.
func TestASaveThatCannotReplaceTheStateFileChangesNothing(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		config := filepath.Join(t.TempDir(), "haproxy.cfg")
		candidate := config + ".edgelb-new-0123456789abcdef"
		writeFile(t, config, "global\n")
		writeFile(t, config+".edgelb-state", "1\n")
		if err := os.Mkdir(candidate+".text", 0o700); err != nil {
			t.Fatal(err)
		}
		call := newCall(t, "save", []byte("new\n"), config, candidate, sum("global\n"), sum("new\n"), "4", "", "")

		_, ran, exit := run(t, shell, call, len(call.Input))

		if _, err := os.Stat(candidate); err == nil || !ran || exit != 1 {
			t.Errorf("ran %t, exit status %d, and the candidate was left: %t", ran, exit, err == nil)
		}
		requireContent(t, config, "global\n")
		requireContent(t, config+".edgelb-state", "1\n")
	})
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func requireContent(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is %q, want %q: %v", filepath.Base(path), got, want, err)
	}
}

func TestOutputOfTheLoginShellIsNotTheScripts(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		call := newCall(t, "hashes", nil, "/nonexistent", "/nonexistent")
		cmd := shell.Command(`echo "Welcome, direct"; echo "sudo" >&2; printf "no end of line"; printf "none" >&2; ` + scripts.CommandLine(false))
		cmd.Stdin = bytes.NewReader(call.Input)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		output, ran := call.Output(stdout.Bytes())
		text, marked := call.Output(stderr.Bytes())
		if !ran || string(output) != "-\n-\n" || !marked || len(text) > 0 {
			t.Errorf("got %q on stdout and %q on stderr", output, text)
		}
	})
}

func TestAPreviousFileCannotChooseThePathOfTheMapFile(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := t.TempDir()
		config := filepath.Join(folder, "haproxy.cfg")
		if err := os.Mkdir(config+".edgelb-names-", 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, config+".edgelb-former", "# names: "+sumOfEmpty+"\n# structure: /../../escaped\n")
		writeFile(t, config+".edgelb-former-names", "")
		call := newCall(t, "restore", nil, config, "former")

		_, ran, exit := run(t, shell, call, len(call.Input))

		if _, err := os.Stat(filepath.Join(folder, "escaped")); err == nil || !ran || exit != 0 {
			t.Errorf("ran %t, exit status %d, and the names went elsewhere: %t", ran, exit, err == nil)
		}
	})
}

func TestASignalGoesToHAProxyOnly(t *testing.T) {
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
		call := newCall(t, "reload", nil, fmt.Sprintf("signal %d", other.Process.Pid))

		if _, ran, exit := run(t, shell, call, len(call.Input)); !ran || exit == 0 {
			t.Errorf("ran %t, exit status %d", ran, exit)
		}
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", other.Process.Pid)); err != nil || strings.Contains(string(state), ") Z") {
			t.Errorf("the process was ended: %v", err)
		}
	})
}

// dash's echo expands \n and \c in what it prints, so that a value becomes lines.
func TestNoScriptPrintsWithEcho(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.sh")
	if err != nil || len(files) < 10 {
		t.Fatalf("%v, and %d scripts were found", err, len(files))
	}
	echo := regexp.MustCompile(`(^|[;&|({\s])echo\s`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			if !strings.HasPrefix(strings.TrimSpace(line), "#") && echo.MatchString(line) {
				t.Errorf("%s:%d: print with printf '%%s\\n'", file, number)
			}
		}
	}
}

func TestNoArgumentHasMoreThanOneLine(t *testing.T) {
	t.Parallel()
	for _, argument := range []string{"/etc/haproxy.cfg\nrm -rf /", "a\x00b"} {
		if call, err := scripts.NewCall("hashes", nil, argument); err == nil {
			t.Errorf("got %q", call.Input)
		}
	}
	if _, err := scripts.NewCall("unheard-of", nil); err == nil {
		t.Error("a script that does not exist was found")
	}
}

func TestOnlyAnElevatedAccountNeedsSudo(t *testing.T) {
	t.Parallel()
	plain, elevated := scripts.CommandLine(false), scripts.CommandLine(true)
	if strings.Contains(plain, "sudo") || !strings.HasPrefix(elevated, "sudo -n /bin/sh -c ") {
		t.Errorf("got %q and %q", plain, elevated)
	}
}
