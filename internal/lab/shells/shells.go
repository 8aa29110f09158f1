// Package shells has the shells with which hosts run scripts, for tests that run each script under each shell.
package shells

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Shell is a shell that can be /bin/sh on a host.
type Shell struct {
	// Name is such as "dash".
	Name string
	// Args start it; a command line follows after "-c".
	Args []string
	// Path is the PATH of its host.
	Path string
}

// Each runs a test under dash (Debian, Ubuntu), bash (Fedora and similar) and busybox (Alpine), the last with the tools of
// busybox as well. A missing shell fails the test.
func Each(t *testing.T, test func(t *testing.T, shell Shell)) {
	t.Helper()
	for _, shell := range []Shell{
		{Name: "dash", Args: []string{"dash"}, Path: os.Getenv("PATH")},
		{Name: "bash", Args: []string{"bash", "--posix"}, Path: os.Getenv("PATH")},
		{Name: "busybox", Args: []string{"busybox", "sh"}},
	} {
		t.Run(shell.Name, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(shell.Args[0])
			if err != nil {
				t.Fatalf("%v: install the package %s", err, shell.Args[0])
			}
			shell.Args = append([]string{program}, shell.Args[1:]...)
			if shell.Path == "" {
				shell.Path = busyboxFolder(t, program)
			}
			test(t, shell)
		})
	}
}

// busyboxFolder returns a folder with all of busybox's tools, and nothing else.
func busyboxFolder(t *testing.T, program string) string {
	t.Helper()
	list, err := exec.Command(program, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for tool := range strings.FieldsSeq(string(list)) {
		if err := os.Symlink(program, filepath.Join(folder, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// Command returns a command that runs a command line with this shell in the place of /bin/sh.
func (s Shell) Command(commandLine string) *exec.Cmd {
	quoted := strings.ReplaceAll(commandLine, "/bin/sh", strings.Join(s.Args, " "))
	args := append(append([]string{}, s.Args[1:]...), "-c", quoted)
	cmd := exec.Command(s.Args[0], args...)
	cmd.Env = []string{"PATH=" + s.Path, "HOME=/nonexistent"}
	return cmd
}
