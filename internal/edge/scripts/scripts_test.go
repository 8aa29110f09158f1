package scripts_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/edge/scripts"
)

func TestAScriptGetsItsArgumentsAsTheyAre(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + `/a "strange" $name; with 'quotes' and more.cfg`
	input, err := scripts.Input("glance", path, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", scripts.CommandLine(false))
	cmd.Stdin = strings.NewReader(string(input))

	out, err := cmd.CombinedOutput()

	// The sum of an empty file, and that there is no second one.
	const want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n-\n"
	if err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func TestNoArgumentHasMoreThanOneLine(t *testing.T) {
	t.Parallel()
	for _, argument := range []string{"/etc/haproxy.cfg\nrm -rf /", "a\x00b"} {
		if input, err := scripts.Input("glance", argument); err == nil {
			t.Errorf("got %q", input)
		}
	}
	if _, err := scripts.Input("unheard-of"); err == nil {
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
