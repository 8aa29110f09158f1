package setup

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

const cloudInit = "../../bin/cloud-init/cloud-init"

// userData is what a page shows for cloud-init.
func userData(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/edge-hosts.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(page), "```cloudconfig\n")
	text, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("the page shows no user data")
	}
	return text
}

// judge has cloud-init judge user data.
func judge(t *testing.T, text string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "user-data")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	output, err := exec.Command(cloudInit, "schema", "--config-file", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	if strings.Contains(string(output), "deprecat") {
		return fmt.Errorf("cloud-init says %s", output)
	}
	return nil
}

func TestCloudInitTakesTheUserDataOfThePage(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "unpacking cloud-init, as make test does,")
	text := userData(t)
	if err := judge(t, text); err != nil {
		t.Error(err)
	}
	if err := judge(t, strings.Replace(text, "permissions:", "permission:", 1)); err == nil {
		t.Error("cloud-init takes a field that it does not know")
	}
}

// The command of the user data does on a host what the page says, with curl as a stand-in for the release.
func TestTheUserDataOfThePageSetsUpAHost(t *testing.T) {
	t.Parallel()
	var data struct {
		Files []struct{ Path, Permissions, Content string } `json:"write_files"`
		Run   []string                                      `json:"runcmd"`
	}
	must(t, yaml.UnmarshalStrict([]byte(userData(t)), &data))
	if len(data.Files) != 1 || len(data.Run) != 1 {
		t.Fatalf("the user data are %+v", data)
	}
	r := newRoot(t, debian12)
	key, blob := newKey(t)
	r.write(data.Files[0].Path, 0o644, strings.Replace(data.Files[0].Content, "ssh-ed25519 AAAA...", key, 1))
	r.write("usr/bin/curl", 0o755, "#!/bin/sh\ncp /usr/sbin/edge-host-setup.sh .\n")
	if got := r.run("/bin/sh", "-c", data.Run[0]); got.status == 0 {
		t.Errorf("a script with another checksum is run: %+v", got)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(r.read("usr/sbin/edge-host-setup.sh"))))
	got := r.run("/bin/sh", "-c", strings.Replace(data.Run[0], "SHA256  ", sum+"  ", 1))
	if got.status != 0 || !strings.Contains(got.stdout, "hostKeys:") || !strings.Contains(r.read("home/edgelb/.ssh/authorized_keys"), blob) {
		t.Errorf("the command of the user data: %+v", got)
	}
}
