package cfg

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(name string) string { return filepath.Join("testdata", name+".conf") }

func TestRenderWritesTheGoldenFiles(t *testing.T) {
	t.Parallel()
	for name, config := range shapes() {
		got := render(t, config).Text
		if *update {
			if err := os.WriteFile(golden(name), got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden(name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, got:\n%s\nwant:\n%s", name, err, got, want)
		}
	}
	if files, err := filepath.Glob(golden("*")); err != nil || len(files) != len(shapes()) {
		t.Errorf("there are the golden files %q, %v, for %d configurations", files, err, len(shapes()))
	}
}

// namespace makes the interfaces of the configurations, and runs the script's arguments as a command.
const namespace = `set -e
mount --make-rprivate /
ip link add eth0 type bridge
ip link add bond0.100 type bridge
grep -q '^keepalived_script:' /etc/passwd || {
	mount -t tmpfs tmpfs /mnt
	{ cat /etc/passwd; printf 'keepalived_script:x:990:990::/nonexistent:/usr/sbin/nologin\n'; } >/mnt/passwd
	{ cat /etc/group; printf 'keepalived_script:x:990:\n'; } >/mnt/group
	mount --bind /mnt/passwd /etc/passwd
	mount --bind /mnt/group /etc/group
}
program=$1
shift
for file in "$@"; do
	if words=$(unshare --pid --fork "$program" -t -f "$file" 2>&1); then status=0; else status=$?; fi
	printf '%s %s %s\n' "${file##*/}" "$status" "$(printf '%s' "$words" | tr '\n' ' ')"
done
`

// judge has a real keepalived check files, and returns its exit status and words by the base of their names.
func judge(t *testing.T, program string, files ...string) map[string]string {
	t.Helper()
	folder := t.TempDir()
	var copies []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// keepalived wants the file of the maintenance mode to exist.
		text = bytes.ReplaceAll(text, []byte(keepalived.MaintenancePath), []byte(filepath.Join(folder, "maintenance")))
		copies = append(copies, filepath.Join(folder, filepath.Base(file)))
		if err := os.WriteFile(copies[len(copies)-1], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "maintenance"), []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--mount", "--net", "sh", "-c", namespace, "sh", program}, copies...)
	output, err := exec.CommandContext(t.Context(), "unshare", args...).Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, err.(*exec.ExitError).Stderr)
	}
	judged := map[string]string{}
	for line := range strings.Lines(string(output)) {
		name, result, _ := strings.Cut(strings.TrimSpace(line), " ")
		judged[name] = result
	}
	if len(judged) != len(files) {
		t.Fatalf("%s judged %d of %d files:\n%s", program, len(judged), len(files), output)
	}
	return judged
}

func TestRealKeepalivedAcceptsEveryGoldenFileWithoutAComplaint(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "a network namespace with interfaces for keepalived")
	files, err := filepath.Glob(golden("*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, program := range programs.Keepaliveds(t) {
		for name, result := range judge(t, program, files...) {
			if result != "0" {
				t.Errorf("%s judges %s with %s", program, name, result)
			}
		}
	}
}

func TestRealKeepalivedRefusesABadFile(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "a network namespace with interfaces for keepalived")
	folder := t.TempDir()
	text := string(render(t, one(nil)).Text)
	bad := map[string]string{
		"keyword.conf":   strings.Replace(text, "nopreempt", "nopreempting", 1),
		"interface.conf": strings.Replace(text, "interface eth0", "interface eth7", 1),
		"user.conf":      strings.ReplaceAll(text, "user keepalived_script", "user nobody_of_that_name"),
		"brace.conf":     strings.TrimSuffix(text, "}\n"),
		"address.conf":   strings.Replace(text, "192.0.2.100/24", "192.0.2.300/24", 1),
	}
	var files []string
	for name, text := range bad {
		files = append(files, filepath.Join(folder, name))
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range programs.Keepaliveds(t) {
		for name, result := range judge(t, program, files...) {
			if strings.HasPrefix(result, "0") {
				t.Errorf("%s judges %s with %s", program, name, result)
			}
		}
	}
}

func TestAConfigThatIsNotValidOrHasNoInstanceIsNotWritten(t *testing.T) {
	t.Parallel()
	idle := one(nil)
	idle.Instances = nil
	for name, test := range map[string]struct {
		config keepalived.Config
		want   string
	}{
		"no instance":       {idle, "it has no instance"},
		"a bad interface":   {one(func(i *keepalived.Instance) { i.Interface = "eth0 }" }), `the interface "eth0 }"`},
		"the first problem": {one(func(i *keepalived.Instance) { i.RouterID = 0 }), "the virtual router ID 0"},
	} {
		if file, err := Render(test.config); err == nil || !strings.Contains(err.Error(), test.want) || file.Text != nil {
			t.Errorf("%s: got %v, want one with %q", name, err, test.want)
		}
	}
}

// Every field of the model changes what keepalived does, but for the two that only the header has.
func TestTheHashCoversAllThatKeepalivedDoes(t *testing.T) {
	t.Parallel()
	base := render(t, one(nil))
	same := one(nil)
	same.Owner, same.Host = "other/ns", "other:22"
	if got := render(t, same); got.Hash != base.Hash || bytes.Equal(got.Text, base.Text) {
		t.Error("the hash depends on who wrote the file")
	}
	socket := one(nil)
	socket.CheckSocket = "/run/other.sock"
	changed := map[string]keepalived.Config{"CheckSocket": socket}
	changes := map[string]func(*keepalived.Instance){
		"Name":          func(i *keepalived.Instance) { i.Name = "other" },
		"Interface":     func(i *keepalived.Instance) { i.Interface = "eth1" },
		"RouterID":      func(i *keepalived.Instance) { i.RouterID = 34 },
		"Priority":      func(i *keepalived.Instance) { i.Priority = 249 },
		"Advertisement": func(i *keepalived.Instance) { i.Advertisement = 990 * time.Millisecond },
		"Preempt":       func(i *keepalived.Instance) { i.Preempt = true },
		"Source":        func(i *keepalived.Instance) { i.Source = netip.MustParseAddr("192.0.2.4") },
		"Peers":         func(i *keepalived.Instance) { i.Peers = addrs("192.0.2.5") },
		"Multicast":     func(i *keepalived.Instance) { i.Multicast, i.Peers = true, nil },
		"Addresses":     func(i *keepalived.Instance) { i.Addresses = prefixes("192.0.2.100/25") },
		"Notify":        func(i *keepalived.Instance) { i.Notify.Command = "/bin/true" },
	}
	for i := range reflect.TypeFor[keepalived.Instance]().NumField() {
		name := reflect.TypeFor[keepalived.Instance]().Field(i).Name
		if changes[name] == nil {
			t.Fatalf("there is no change of the field %s here", name)
		}
		changed[name] = one(changes[name])
	}
	for name, config := range changed {
		if render(t, config).Hash == base.Hash {
			t.Errorf("a change of %s does not change the hash", name)
		}
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	sorted := shapes()["several"]
	reversed := sorted
	reversed.Instances = []keepalived.Instance{sorted.Instances[1], sorted.Instances[0]}
	if a, b := render(t, sorted), render(t, reversed); !bytes.Equal(a.Text, b.Text) {
		t.Errorf("got\n%s\nand\n%s", a.Text, b.Text)
	}
}

func TestTheFileNamesItsHashAndItsCheck(t *testing.T) {
	t.Parallel()
	file := render(t, one(nil))
	script := file.Scripts[0]
	want := fmt.Sprintf(`script "/bin/sh %s /run/haproxy/check.sock %s /run/edgelb-keepalived"`, script.Path, file.Hash)
	if !strings.Contains(string(file.Text), want) {
		t.Errorf("%s lacks %s", file.Text, want)
	}
	if !strings.Contains(script.Path, script.SHA256()[:16]) || !bytes.Equal(script.Text, check) || len(file.Scripts) != 1 {
		t.Errorf("the check has the path %s and the hash %s", script.Path, script.SHA256())
	}
	if header, ok := ParseHeader(file.Text); !ok || header != (Header{Owner: "cluster/ns", Host: "gw1.example.net:22", Hash: file.Hash}) {
		t.Errorf("the header is %+v, %t", header, ok)
	}
}
