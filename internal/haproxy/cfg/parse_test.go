package cfg

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// withoutNodes returns the Config without what is not read back.
func withoutNodes(c haproxy.Config) haproxy.Config {
	c.Backends = append([]haproxy.Backend(nil), c.Backends...)
	for i := range c.Backends {
		c.Backends[i].Servers = append([]haproxy.Server(nil), c.Backends[i].Servers...)
		for j := range c.Backends[i].Servers {
			c.Backends[i].Servers[j].Node = ""
		}
	}
	return c
}

func TestEveryFileIsReadBackAsItsConfiguration(t *testing.T) {
	t.Parallel()
	for _, s := range shapes(t) {
		file := render(t, s.config, s.platform)
		got, structure, err := Parse(file.Text, file.Names, s.platform)
		if s.config.Idle() {
			if !errors.Is(err, ErrUnreadable) {
				t.Errorf("%s: an idle file is read as %+v, %v", s.name, got, err)
			}
			continue
		}
		if err != nil || structure != file.Structure || !reflect.DeepEqual(got, withoutNodes(s.config)) {
			t.Errorf("%s: got %v,\n%+v\nwant\n%+v", s.name, err, got, withoutNodes(s.config))
		}
		again := render(t, got, s.platform)
		if again.Structure != file.Structure || again.Whole != file.Whole || again.NamesPath != file.NamesPath || !bytes.Equal(again.Names, file.Names) {
			t.Errorf("%s: it is written as another one", s.name)
		}
	}
}

func TestNoLineOfAFileIsLongerThanHAProxyTakes(t *testing.T) {
	t.Parallel()
	c := sample.WebWith(t, func(c *haproxy.Config) {
		for i := range 2000 {
			c.Frontends[0].Access.AllowedSources = append(c.Frontends[0].Access.AllowedSources, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
		}
	})
	file := render(t, c, debian())
	_, record, _ := strings.Cut(string(file.Text), recordTitle)
	lines := 0
	for line := range strings.Lines(record) {
		if lines++; len(line) > len(recordPrefix)+recordLine+1 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
	if got, _, err := Parse(file.Text, nil, debian()); err != nil || lines < 10 || !reflect.DeepEqual(got, withoutNodes(c)) {
		t.Errorf("%d lines are read back with error %v", lines, err)
	}
}

func TestAFileThatWasChangedIsNotReadBack(t *testing.T) {
	t.Parallel()
	c := sample.Routing(t)
	file := render(t, c, debian())
	for name, change := range map[string]func(text, names string) (string, string){
		"another server": func(text, names string) (string, string) {
			return strings.Replace(text, "10.42.0.1:8080", "10.42.0.1:8081", 1), names
		},
		"a server more": func(text, names string) (string, string) {
			return strings.Replace(text, "\n    server ", "\n    server x 10.0.0.1:1\n    server ", 1), names
		},
		"a port that is none": func(text, names string) (string, string) {
			return strings.Replace(text, "10.42.0.1:8080", "10.42.0.1:99999", 1), names
		},
		"a weight that is none": func(text, names string) (string, string) {
			return strings.Replace(text, "10.42.0.1:8080", "10.42.0.1:8080 weight x", 1), names
		},
		"another name": func(text, names string) (string, string) {
			return text, strings.Replace(names, "/app1.example.com ns.web.blog", "/app1.example.com ns.web.traefik", 1)
		},
		"no map file": func(text, _ string) (string, string) { return text, "" },
		"another setting": func(text, names string) (string, string) {
			return strings.Replace(text, `"MaxConnections":1000`, `"MaxConnections":1001`, 1), names
		},
		"another owner": func(text, names string) (string, string) {
			return strings.Replace(text, `"Owner":"0b9d6d0c/`, `"Owner":"0b9d6d0d/`, 1), names
		},
		"a field more": func(text, names string) (string, string) {
			return strings.Replace(text, `{"Owner"`, `{"Owner":1,"Owner"`, 1), names
		},
		"nothing for edgelb": func(text, names string) (string, string) {
			text, _, _ = strings.Cut(text, recordTitle)
			return text, names
		},
		"half of it": func(text, names string) (string, string) { return text[:len(text)-20], names },
		"no hash": func(text, names string) (string, string) {
			return strings.Replace(text, "# whole: ", "# hole: ", 1), names
		},
		"somebody else's": func(text, names string) (string, string) { return text[1:], names },
	} {
		text, names := change(string(file.Text), string(file.Names))
		if text == string(file.Text) && names == string(file.Names) {
			t.Errorf("%s: nothing is changed", name)
		}
		if got, _, err := Parse([]byte(text), []byte(names), debian()); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if _, _, err := Parse(file.Text, file.Names, Platform{NamesPrefix: debian().NamesPrefix}); !errors.Is(err, ErrUnreadable) {
		t.Errorf("for another host: %v", err)
	}
}

func FuzzParseBelievesTheHashesAlone(f *testing.F) {
	for _, s := range shapes(f) {
		file, err := Render(s.config, s.platform)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file.Text, file.Names)
	}
	f.Add(fmt.Appendf(nil, "# config: %s\n", `{"Backends":[{"Name":"b"},{"Name":"b"}]}`), []byte("a/b c\nd e\n/\n"))
	f.Fuzz(func(t *testing.T, text, names []byte) {
		c, structure, err := Parse(text, names, debian())
		if err != nil {
			return
		}
		file, err := Render(c, debian())
		if err != nil {
			t.Fatal(err)
		}
		if header, _ := ParseHeader(text); file.Structure != structure || header.Structure != structure || header.Whole != file.Whole || header.Owner != c.Owner {
			t.Errorf("%+v is read, which has other hashes: %+v", c, header)
		}
	})
}
