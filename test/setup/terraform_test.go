package setup

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/terraform"
)

// moduleData are the user data of the module edge-host, as far as cloud-init does something with them.
type moduleData struct {
	HostName   string                                                  `json:"hostname"`
	DeleteKeys bool                                                    `json:"ssh_deletekeys"`
	Keys       map[string]string                                       `json:"ssh_keys"`
	Files      []struct{ Path, Permissions, Encoding, Content string } `json:"write_files"`
	Run        [][]string                                              `json:"runcmd"`
}

// mostUserData is the least of what clouds take: Amazon's 16 KiB.
const mostUserData = 16 << 10

// A host that boots with the user data of examples/terraform has the key and the account that the module says.
func TestTheUserDataOfTheTerraformModulesSetUpAHost(t *testing.T) {
	t.Parallel()
	key, blob := newKey(t)
	hostKey, err := terraform.NewHostKey()
	must(t, err)
	outputs, err := terraform.Outputs(t.Context(), "edge-host", terraform.Values{
		Variables: map[string]any{
			"name": "gw1", "address": "192.0.2.10", "operator_public_key": key + " $(reboot) ${x} \"'%{", "operator_addresses": []string{"192.0.2.0/24", "2001:db8::/64"},
		},
		Known: hostKey.Known(),
	})
	must(t, err)
	var text string
	must(t, json.Unmarshal(outputs["user_data"], &text))
	if size := compressed(t, text); size > mostUserData {
		t.Errorf("the user data are %d bytes, compressed, and some clouds take %d", size, mostUserData)
	}
	programs.NeedRoot(t, "unpacking cloud-init, as make test does,")
	must(t, judge(t, text))

	r := newRoot(t, kind{"Debian 12 with keepalived", "debian-12-keepalived", "dash"})
	got := r.boot(text)
	if want := `restrict,port-forwarding,from="192.0.2.0/24,2001:db8::/64" ssh-ed25519 ` + blob + " edgelb\n"; r.read("home/edgelb/.ssh/authorized_keys") != want {
		t.Errorf("the file of keys is %q, want %q", r.read("home/edgelb/.ssh/authorized_keys"), want)
	}
	var printed struct{ Hosts []map[string]any }
	must(t, yaml.Unmarshal([]byte(got.stdout), &printed))
	of, err := json.Marshal(printed.Hosts)
	must(t, err)
	if want := "[" + string(canonical(t, outputs["entry"])) + "]"; string(of) != want {
		t.Errorf("the host prints the entry\n%s, and the module has\n%s", of, want)
	}
	r.succeeds("--check")
}

// boot does what cloud-init does with user data: keys, files, and then the command.
func (r *root) boot(text string) result {
	r.t.Helper()
	var data moduleData
	must(r.t, yaml.UnmarshalStrict([]byte(text), &data))
	if !data.DeleteKeys || len(data.Keys) != 2 || len(data.Run) != 1 || data.HostName != "gw1" {
		r.t.Fatalf("the user data are\n%s", text)
	}
	old, err := filepath.Glob(filepath.Join(r.path, "etc/ssh/ssh_host_*"))
	must(r.t, err)
	for _, file := range old {
		must(r.t, os.Remove(file))
	}
	r.write("etc/ssh/ssh_host_ed25519_key", 0o600, data.Keys["ed25519_private"])
	r.write("etc/ssh/ssh_host_ed25519_key.pub", 0o644, data.Keys["ed25519_public"]+"\n")
	for _, file := range data.Files {
		mode := os.FileMode(0o644)
		if file.Permissions == "0755" {
			mode = 0o755
		}
		if file.Encoding == "gz+b64" {
			file.Content = unpack(r.t, file.Content)
		}
		r.write(strings.TrimPrefix(file.Path, "/"), mode, file.Content)
	}
	got := r.run(append([]string{"/usr/bin/env"}, data.Run[0]...)...)
	if got.status != 0 {
		r.t.Fatalf("the command of the user data: %+v", got)
	}
	return got
}

// compressed returns the size in bytes that a text has if all of it is compressed, and base64 around that is not counted: clouds take it off.
func compressed(t *testing.T, text string) int {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := io.WriteString(writer, text)
	must(t, err)
	must(t, writer.Close())
	return packed.Len()
}

func unpack(t *testing.T, text string) string {
	t.Helper()
	reader, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	must(t, err)
	content, err := io.ReadAll(reader)
	must(t, err)
	return string(content)
}

// canonical returns JSON with its keys in order.
func canonical(t *testing.T, text []byte) []byte {
	t.Helper()
	var value any
	must(t, json.Unmarshal(text, &value))
	sorted, err := json.Marshal(value)
	must(t, err)
	return sorted
}
