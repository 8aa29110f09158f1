package cfg

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func render(t testing.TB, c haproxy.Config, p Platform) File {
	t.Helper()
	file, err := Render(c, p)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func golden(name string) string { return filepath.Join("testdata", "render", name+".cfg") }

// goldenNames returns the map file that belongs to a golden file.
func goldenNames(name string) string { return filepath.Join("testdata", "render", name+".names") }

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestRenderWritesTheGoldenFiles(t *testing.T) {
	t.Parallel()
	var wantFiles []string
	for _, s := range shapes(t) {
		wantFiles = append(wantFiles, golden(s.name))
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := render(t, s.config, s.platform)
			compareGolden(t, golden(s.name), file.Text)
			if file.NamesPath != "" {
				compareGolden(t, goldenNames(s.name), file.Names)
			}
		})
		if s.config.UsesMap() {
			wantFiles = append(wantFiles, goldenNames(s.name))
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "render", "*"))
	slices.Sort(wantFiles)
	if !*update && (err != nil || !slices.Equal(files, wantFiles)) {
		t.Errorf("the golden files are %q, %v, want %q", files, err, wantFiles)
	}
}

// judge makes a real HAProxy check a file, and returns its complaints. Warnings count, except two: that the server state
// file is missing, which nothing can have written before a first reload, and that there are no name servers, on a host that
// has none.
func judge(t *testing.T, program, file string) (complaints []string) {
	t.Helper()
	out, err := exec.Command(program, "-c", "-f", file).CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		serious := strings.HasPrefix(line, "[ALERT]") || strings.HasPrefix(line, "[WARNING]")
		if serious && !strings.Contains(line, "Can't open global server state file") && !strings.Contains(line, "has no nameservers configured") {
			complaints = append(complaints, line)
		}
	}
	if err != nil && len(complaints) == 0 {
		complaints = []string{err.Error()}
	}
	return complaints
}

// withNames returns a copy of a golden file whose map file, if any, is in testdata.
func withNames(t *testing.T, s shape) (path string) {
	t.Helper()
	text, err := os.ReadFile(golden(s.name))
	if err != nil {
		t.Fatal(err)
	}
	if s.config.UsesMap() {
		names, err := filepath.Abs(goldenNames(s.name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte(render(t, s.config, s.platform).NamesPath), []byte(names))
	}
	path = filepath.Join(t.TempDir(), s.name+".cfg")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRealHAProxyAcceptsEveryGoldenFile(t *testing.T) {
	t.Parallel()
	for _, program := range programs.HAProxies(t) {
		version, err := exec.Command(program, "-v").Output()
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(version), "\n")
		t.Logf("%s is %s", program, first)
		for _, s := range shapes(t) {
			if complaints := judge(t, program, withNames(t, s)); complaints != nil {
				t.Errorf("%s complains about %s: %q", program, s.name, complaints)
			}
		}
	}
}

func TestRealHAProxyRefusesABadFile(t *testing.T) {
	t.Parallel()
	for _, program := range programs.HAProxies(t) {
		complaints := judge(t, program, "testdata/bad.cfg")
		if !strings.Contains(strings.Join(complaints, ""), "unknown keyword 'no-such-keyword'") {
			t.Errorf("%s complains of a bad file: %q", program, complaints)
		}
	}
}

func TestRenderDependsOnTheMeaningAlone(t *testing.T) {
	t.Parallel()
	want := render(t, sample.TwoListeners(t), debian())
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		c := sample.TwoListeners(t)
		for _, f := range c.Frontends {
			random.Shuffle(len(f.Binds), reflect.Swapper(f.Binds))
		}
		for _, b := range c.Backends {
			random.Shuffle(len(b.Servers), reflect.Swapper(b.Servers))
		}
		random.Shuffle(len(c.Frontends), reflect.Swapper(c.Frontends))
		random.Shuffle(len(c.Backends), reflect.Swapper(c.Backends))
		if got := render(t, c.Normalize(), debian()); !reflect.DeepEqual(got, want) {
			t.Fatalf("got:\n%s\nwant:\n%s", got.Text, want.Text)
		}
	}
}

func TestFingerprintsCoverWhatTheyShould(t *testing.T) {
	t.Parallel()
	type kept struct{ structure, whole, text bool }
	everything, onlyComments, servers, nothing := kept{true, true, true}, kept{true, true, false}, kept{true, false, false}, kept{}
	for _, tc := range []struct {
		name string
		edit func(*haproxy.Config, *Platform)
		want kept
	}{
		{"nothing changes", func(*haproxy.Config, *Platform) {}, everything},
		{"a time below HAProxy's resolution", func(c *haproxy.Config, _ *Platform) { c.Timeouts.Connect += time.Microsecond }, onlyComments},
		{"another host", func(c *haproxy.Config, _ *Platform) { c.Host = "[2001:db8::1]:2222" }, onlyComments},
		{"another owner", func(c *haproxy.Config, _ *Platform) { c.Owner = "other" }, onlyComments},
		{"another node", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Servers[0].Node = "node-9" }, onlyComments},
		{"another server address", func(c *haproxy.Config, _ *Platform) {
			c.Backends[0].Servers[0].Addr = c.Backends[0].Servers[0].Addr.Next()
		}, servers},
		{"another server port", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Servers[0].Port++ }, servers},
		{"another server weight", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Servers[0].Weight = 0 }, servers},
		{"another server name", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Servers[0].Name = "a" }, servers},
		{"one server less", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Servers = c.Backends[0].Servers[:1] }, servers},
		{"no server at all", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Servers = nil }, servers},
		{"PROXY version", func(c *haproxy.Config, _ *Platform) { c.Backends[0].ProxyProtocol = haproxy.ProxyV1 }, nothing},
		{"check interval", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Check.Interval *= 2 }, nothing},
		{"no check", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Check = haproxy.Check{} }, nothing},
		{"options of a backend without servers", func(c *haproxy.Config, _ *Platform) { c.Backends[1].Check.Rise++ }, nothing},
		{"balance", func(c *haproxy.Config, _ *Platform) { c.Backends[0].Balance = haproxy.Source }, nothing},
		{"bind", func(c *haproxy.Config, _ *Platform) { c.Frontends[0].Binds = c.Frontends[0].Binds[:1] }, nothing},
		{"frontend name", func(c *haproxy.Config, _ *Platform) { c.Frontends[0].Name = "a" }, nothing},
		{"idle", func(c *haproxy.Config, _ *Platform) { c.Frontends = nil }, nothing},
		{"timeout", func(c *haproxy.Config, _ *Platform) { c.Timeouts.Queue = time.Minute }, nothing},
		{"maximum of connections", func(c *haproxy.Config, _ *Platform) { c.MaxConnections++ }, nothing},
		{"length of headers", func(c *haproxy.Config, _ *Platform) { c.MaxHeaderBytes = 64 << 10 }, nothing},
		{"admin socket", func(c *haproxy.Config, _ *Platform) { c.AdminSocket = "/run/other.sock" }, nothing},
		{"state file", func(_ *haproxy.Config, p *Platform) { p.StateFile = "/other" }, nothing},
		{"user", func(_ *haproxy.Config, p *Platform) { p.User = "other" }, nothing},
		{"name servers that nothing asks", func(_ *haproxy.Config, p *Platform) { p.ResolvConf = false }, everything},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base := func() haproxy.Config {
				c := sample.Web(t)
				c.Backends = append(c.Backends, haproxy.Backend{Name: "z-empty", Balance: haproxy.RoundRobin, Check: haproxy.Check{Interval: time.Second, Rise: 1, Fall: 1}})
				return c
			}
			before := render(t, base(), debian())
			c, p := base(), debian()
			tc.edit(&c, &p)
			after := render(t, c, p)
			if structure, whole, err := Fingerprints(c, p); err != nil || structure != after.Structure || whole != after.Whole {
				t.Errorf("got fingerprints %s and %s, %v, want those of the file", structure, whole, err)
			}
			got := kept{before.Structure == after.Structure, before.Whole == after.Whole, bytes.Equal(before.Text, after.Text)}
			if got != tc.want {
				t.Errorf("what stays the same: got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestServersOfDifferentBackendsAreDistinct(t *testing.T) {
	t.Parallel()
	with := func(backend int) File {
		c := sample.TwoListeners(t)
		c.Backends[0].Servers, c.Backends[1].Servers = nil, nil
		c.Backends[backend].Servers = sample.Servers(1)
		return render(t, c, debian())
	}
	if a, b := with(0), with(1); a.Whole == b.Whole || a.Structure != b.Structure {
		t.Errorf("got whole %s and %s, structure %s and %s", a.Whole, b.Whole, a.Structure, b.Structure)
	}
}

func TestRenderedFileNamesItsFingerprints(t *testing.T) {
	t.Parallel()
	file := render(t, sample.Web(t), debian())
	hex := regexp.MustCompile(`^[0-9a-f]{64}$`)
	if !hex.MatchString(file.Structure) || !hex.MatchString(file.Whole) || file.Structure == file.Whole {
		t.Errorf("got structure %q and whole %q", file.Structure, file.Whole)
	}
	if want := "    description 'edgelb structure=" + file.Structure + "'\n"; strings.Count(string(file.Text), want) != 1 {
		t.Errorf("want one line %q in:\n%s", want, file.Text)
	}
}

func TestRenderRefusesWhatIsNotKnownOrNotValid(t *testing.T) {
	t.Parallel()
	keep := sample.WebWith(t, func(c *haproxy.Config) { c.Backends[0].KeepServers, c.Backends[0].Servers = true, nil })
	for _, tc := range []struct {
		name      string
		config    haproxy.Config
		platform  Platform
		wantError string
	}{
		{"servers not known", keep, debian(), `backend "kube-system.web.traefik": it must keep the host's servers`},
		{"not valid", sample.WebWith(t, func(c *haproxy.Config) { c.AdminSocket = "" }), debian(), "the admin socket"},
		{"platform not valid", sample.Web(t), Platform{}, "the state file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			file, err := Render(tc.config, tc.platform)
			if err == nil || !strings.Contains(err.Error(), tc.wantError) || file.Text != nil {
				t.Errorf("got %q, %v, want an error with %q", file.Text, err, tc.wantError)
			}
			structure, whole, err := Fingerprints(tc.config, tc.platform)
			if err == nil || !strings.Contains(err.Error(), tc.wantError) || structure+whole != "" {
				t.Errorf("got %q, %q, %v, want an error with %q", structure, whole, err, tc.wantError)
			}
		})
	}
}

func TestServerOptionsAreSpelledOut(t *testing.T) {
	t.Parallel()
	check := haproxy.Check{Interval: 2 * time.Second, Rise: 2, Fall: 3}
	for _, tc := range []struct {
		name    string
		backend haproxy.Backend
		want    string
	}{
		{"nothing", haproxy.Backend{}, ""},
		{"check", haproxy.Backend{Check: check}, "check inter 2s fall 3 rise 2"},
		{"PROXY v1", haproxy.Backend{ProxyProtocol: haproxy.ProxyV1}, "send-proxy check-send-proxy"},
		{"check elsewhere", haproxy.Backend{Check: haproxy.Check{Interval: time.Second, Rise: 1, Fall: 1, Port: 8081}}, "check port 8081 inter 1s fall 1 rise 1"},
		{"HTTP check", haproxy.Backend{Check: haproxy.Check{Kind: haproxy.CheckHTTP, Interval: time.Second, Rise: 1, Fall: 1, Path: "/"}}, "check inter 1s fall 1 rise 1"},
		{"HTTP check over TLS", haproxy.Backend{Check: haproxy.Check{Kind: haproxy.CheckHTTP, TLS: true, Interval: time.Second, Rise: 1, Fall: 1}}, "check check-ssl verify none inter 1s fall 1 rise 1"},
		{"TLS check", haproxy.Backend{Check: haproxy.Check{Kind: haproxy.CheckTLS, Interval: time.Second, Rise: 1, Fall: 1}}, "check check-ssl verify none inter 1s fall 1 rise 1"},
		{"maximum of connections", haproxy.Backend{MaxConnections: 7}, "maxconn 7"},
		{"PROXY v2 and check", haproxy.Backend{ProxyProtocol: haproxy.ProxyV2, Check: check}, "send-proxy-v2 check-send-proxy check inter 2s fall 3 rise 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := serverOptions(tc.backend); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestDurationUsesTheLargestExactUnit(t *testing.T) {
	t.Parallel()
	for in, want := range map[time.Duration]string{
		time.Millisecond:                       "1ms",
		time.Second:                            "1s",
		1500 * time.Millisecond:                "1500ms",
		90 * time.Second:                       "90s",
		2 * time.Minute:                        "2m",
		time.Hour:                              "1h",
		36 * time.Hour:                         "36h",
		240 * time.Hour:                        "10d",
		time.Second + 999*time.Microsecond:     "1s",
		999*time.Millisecond + time.Nanosecond: "999ms",
	} {
		if got := duration(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
