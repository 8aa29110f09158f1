package cases

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheObjectServesAsTheFileDid runs each case's haproxy.cfg, and then what its object.yaml becomes. Each has the machine for itself, since both
// have the same binds: the cases run one after the other.
func TestTheObjectServesAsTheFileDid(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d cases (%v), want some", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			must(t, err)
			files := map[string]string{}
			for _, file := range archive.Files {
				files[file.Name] = string(file.Data)
			}
			rows := parseTable(t, files["requests"])
			if len(rows) == 0 {
				t.Fatal("the case has no requests")
			}
			object := new(v1alpha1.EdgeLoadBalancer)
			must(t, yaml.UnmarshalStrict([]byte(files["object.yaml"]), object))
			t.Run("file", func(t *testing.T) {
				folder := shortFolder(t)
				for name, text := range files {
					place := filepath.Join(folder, filepath.FromSlash(name))
					must(t, os.MkdirAll(filepath.Dir(place), 0o755))
					must(t, os.WriteFile(place, []byte(text), 0o644))
				}
				makeUpCertificates(t, folder)
				must(t, os.WriteFile(filepath.Join(folder, "haproxy.cfg"), []byte(ofTheLab(files, folder)), 0o644))
				serve(t, folder, object, rows, true)
			})
			t.Run("object", func(t *testing.T) {
				folder := shortFolder(t)
				render(t, object, folder)
				serve(t, folder, object, rows, false)
			})
		})
	}
}

// shortFolder returns a folder with a path that is short enough for a socket in it.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "case")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

var (
	// own are settings that edgelb decides for every host, logs, and the sockets.
	own = regexp.MustCompile(`(?m)^[ \t]+(log|chroot|pidfile|user|group|daemon|stats[ \t]+(socket|timeout)|ulimit-n|nbthread|cpu-map)\b.*\n`)
	// checkIntervals are how often servers are checked, and for how long they get less connections.
	checkIntervals = regexp.MustCompile(`\b(inter|downinter|fastinter|slowstart)[ \t]+[0-9]+[a-z]*`)
)

// ofTheLab returns a case's haproxy.cfg for the lab: without what differs from machine to machine, with the addresses of the names that its
// hosts file has, with a socket of its own, and with checks in quick succession.
func ofTheLab(files map[string]string, folder string) string {
	text := own.ReplaceAllString(files["haproxy.cfg"], "")
	for line := range strings.Lines(files["hosts"]) {
		words := strings.Fields(line)
		text = strings.ReplaceAll(text, words[1], words[0])
	}
	text = strings.ReplaceAll(text, "/etc/haproxy/", folder+"/")
	text = strings.Replace(text, "global", "global\n stats socket "+filepath.Join(folder, "socket")+" level admin\n", 1)
	return quicker(text)
}

// makeUpCertificates writes certificates where a case may name them.
func makeUpCertificates(t *testing.T, folder string) {
	t.Helper()
	made := makeUp(t)
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	must(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate[0]})
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), certificate...)
	for name, content := range map[string][]byte{"certs/site.pem": both, "ca/branches.pem": certificate} {
		place := filepath.Join(folder, name)
		must(t, os.MkdirAll(filepath.Dir(place), 0o755))
		must(t, os.WriteFile(place, content, 0o600))
	}
}

func quicker(text string) string { return checkIntervals.ReplaceAllString(text, "${1} 200ms") }

// render writes what the object becomes on a host that runs nothing yet.
func render(t *testing.T, object *v1alpha1.EdgeLoadBalancer, folder string) {
	t.Helper()
	object = object.DeepCopy()
	object.Default()
	host := new(desired.Builder).Build(spec.IDOf(&object.Spec.SSH, &object.Spec.Hosts[0]), desired.Snapshot{
		Cluster: "home", Objects: []*v1alpha1.EdgeLoadBalancer{object},
	})
	for _, problem := range host.Problems {
		t.Errorf("the object has a problem: %+v", problem)
	}
	// The lab has few descriptors.
	host.Config.AdminSocket, host.Config.MaxConnections = filepath.Join(folder, "socket"), 1000
	file, err := cfg.Render(host.Config.WithServers(nil), cfg.Platform{
		StateFile: filepath.Join(folder, "state"), NamesPrefix: filepath.Join(folder, "names-"),
	})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, "haproxy.cfg"), []byte(quicker(string(file.Text))), 0o644))
	if file.NamesPath != "" {
		must(t, os.WriteFile(file.NamesPath, file.Names, 0o644))
	}
}

// serve runs the HAProxy of a folder and goes through the table.
func serve(t *testing.T, folder string, object *v1alpha1.EdgeLoadBalancer, rows []row, before bool) {
	t.Helper()
	servers := newServers(t)
	for _, at := range serversOf(object, rows) {
		servers.start(at)
	}
	run(t, folder)
	for _, r := range rows {
		if r.before && !before {
			continue
		}
		switch r.change {
		case "down":
			servers.stop(netip.MustParseAddrPort(r.what))
		case "up":
			servers.start(netip.MustParseAddrPort(r.what))
		case "away":
			must(t, exec.Command("ip", "route", "add", "unreachable", r.what, "table", "local").Run())
			t.Cleanup(func() { must(t, exec.Command("ip", "route", "del", "unreachable", r.what, "table", "local").Run()) })
		case "fails", "answers":
			servers.fail(r.what, r.change == "fails")
		default:
			ask(t, r)
		}
	}
}

// ask sends a row's requests until they get what they should: checks take their time.
func ask(t *testing.T, r row) {
	t.Helper()
	difference := ""
	if !waiting.Until(waiting.Long, func() bool {
		var got []result
		var errs []error
		for range r.want.attempts() {
			one, err := r.send(t.Context())
			got, errs = append(got, one), append(errs, err)
			if difference = r.differsOnce(one, err); difference != "" {
				return false
			}
		}
		difference = r.differs(got, errs)
		return difference == ""
	}) {
		t.Errorf("%s\n\t%s", r.line, difference)
	}
}

// serversOf returns where servers of the object, and those of the table, and what answers checks at other ports, listen.
func serversOf(object *v1alpha1.EdgeLoadBalancer, rows []row) []netip.AddrPort {
	var all []netip.AddrPort
	for i := range object.Spec.Targets {
		target := &object.Spec.Targets[i]
		for _, address := range target.Addresses {
			at := netip.AddrPortFrom(netip.MustParseAddr(address.Address), uint16(address.Port))
			all = append(all, at)
			if port := target.HealthCheck.Port; port != nil {
				all = append(all, netip.AddrPortFrom(at.Addr(), uint16(*port)))
			}
		}
	}
	for _, r := range rows {
		all = slices.AppendSeq(all, maps.Keys(r.want.proxies))
	}
	return all
}

// run starts HAProxy and waits until its socket, which it opens with all binds, takes connections.
func run(t *testing.T, folder string) {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	must(t, err)
	config := filepath.Join(folder, "haproxy.cfg")
	var said bytes.Buffer
	command := exec.Command(program, "-db", "-f", config)
	command.Dir, command.Stderr = folder, &said
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, command.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // it is killed at the end
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		if t.Failed() {
			text, _ := os.ReadFile(config)
			t.Logf("HAProxy said:\n%s\nIts configuration:\n%s", said.String(), text)
		}
	})
	if !waiting.Until(waiting.Long, func() bool {
		select {
		case <-ended:
			t.Fatalf("HAProxy ended: %s", said.String())
		default:
		}
		conn, err := net.Dial("unix", filepath.Join(folder, "socket"))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}) {
		t.Fatalf("HAProxy does not start: %s", said.String())
	}
}
