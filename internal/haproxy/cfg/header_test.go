package cfg

import (
	"os"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/host/header"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestParseHeaderReadsWhatRenderWrites(t *testing.T) {
	t.Parallel()
	for _, s := range shapes(t) {
		file := render(t, s.config, s.platform)
		want := Header{Owner: s.config.Owner, Host: s.config.Host, Structure: file.Structure, Whole: file.Whole}
		if s.config.UsesMap() {
			want.Names = sha256Hex(file.Names)
		}
		if got, ok := ParseHeader(file.Text); !ok || got != want || got.Free() != s.config.Idle() {
			t.Errorf("%s: got %+v, %v, want %+v", s.name, got, ok, want)
		}
	}
}

func TestAnIdleFileHasNoOwner(t *testing.T) {
	t.Parallel()
	c := sample.Idle()
	c.Owner, c.Host = "previous/owner", "gw1.example.net:22"
	if got, ok := ParseHeader(render(t, c, debian()).Text); !ok || !got.Free() || got.Host != "" {
		t.Errorf("got %+v, %v, want a free one", got, ok)
	}
}

func TestParseHeaderTrustsOnlyTheTopOfTheFile(t *testing.T) {
	t.Parallel()
	hash, other := strings.Repeat("0a", 32), strings.Repeat("1b", 32)
	full := header.Marker + "\n# owner: me\n# host: gw1:22\n# structure: " + hash + "\n# whole: " + other + "\n"
	for _, tc := range []struct {
		name, file string
		want       Header
		wantOK     bool
	}{
		{"complete", full + "global\n", Header{"me", "gw1:22", hash, other, ""}, true},
		{"without an end of line", strings.TrimSuffix(full, "\n"), Header{"me", "gw1:22", hash, other, ""}, true},
		{"other order, unknown line", header.Marker + "\n# whole: " + other + "\n# written by: x\n# owner: me\n", Header{"me", "", "", other, ""}, true},
		{"free", header.Marker + "\n# owner: none\n", Header{}, true},
		{"free, and a host", header.Marker + "\n# owner: none\n# host: gw1:22\n", Header{}, true},
		{"of an edgelb that did not name the host", strings.Replace(full, "# host: gw1:22\n", "", 1), Header{"me", "", hash, other, ""}, true},
		{"host that edgelb cannot have written", strings.Replace(full, "gw1:22", "gw 1", 1), Header{"me", "", hash, other, ""}, true},
		{"host with an IPv6 address", header.Marker + "\n# owner: me\n# host: [2001:db8::1]:22\n", Header{"me", "[2001:db8::1]:22", "", "", ""}, true},
		{"host too long", header.Marker + "\n# owner: me\n# host: " + strings.Repeat("a", 601), Header{"me", "", "", "", ""}, true},
		{"broken fingerprint", strings.Replace(full, hash, hash[1:], 1), Header{"me", "gw1:22", "", other, ""}, true},
		{"fingerprint in upper case", strings.Replace(full, hash, strings.ToUpper(hash), 1), Header{"me", "gw1:22", "", other, ""}, true},
		{"owner twice", header.Marker + "\n# owner: me\n# owner: you\n", Header{Owner: "me"}, true},
		{"empty file", "", Header{}, false},
		{"marker only", header.Marker, Header{}, false},
		{"no owner", header.Marker + "\n# whole: " + other + "\n", Header{}, false},
		{"owner that edgelb cannot have written", header.Marker + "\n# owner: a b\n", Header{}, false},
		{"owner below the comments", header.Marker + "\nglobal\n# owner: me\n", Header{}, false},
		{"something above the marker", "\n" + full, Header{}, false},
		{"marker with a word more", strings.Replace(full, "\n", " not\n", 1), Header{}, false},
		{"lines that end as on Windows", strings.ReplaceAll(full, "\n", "\r\n"), Header{}, false},
		{"binary", "\x00\xff\n# owner: me", Header{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := ParseHeader([]byte(tc.file)); got != tc.want || ok != tc.wantOK {
				t.Errorf("got %+v, %v, want %+v, %v", got, ok, tc.want, tc.wantOK)
			}
		})
	}
}

func TestForeignFilesAreNotOurs(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/bad.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := ParseHeader(file); ok {
		t.Errorf("got %+v", h)
	}
}

func TestParseDescriptionReadsWhatShowInfoReturns(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0a", 32)
	for _, tc := range []struct {
		in, want string
		wantOK   bool
	}{
		{"edgelb structure=" + hash, hash, true},
		{"", "", false},
		{hash, "", false},
		{"edgelb structure=", "", false},
		{"edgelb structure=" + hash + "0", "", false},
		{"my edgelb structure=" + hash, "", false},
	} {
		if got, ok := ParseDescription(tc.in); got != tc.want || ok != tc.wantOK {
			t.Errorf("%q: got %q, %v, want %q, %v", tc.in, got, ok, tc.want, tc.wantOK)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	hash := strings.Repeat("0a", 32)
	f.Add([]byte(Header{"me", "gw1:22", hash, hash, ""}.text()))
	f.Add([]byte(Header{}.text()))
	f.Add([]byte(header.Marker + "\n# : \n#  \n# owner: \n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, ok := ParseHeader(file)
		if !ok {
			if h != (Header{}) {
				t.Errorf("refused, but got %+v", h)
			}
			return
		}
		if again, ok := ParseHeader([]byte(h.text())); !ok || again != h {
			t.Errorf("%+v is written and reads as %+v, %v", h, again, ok)
		}
	})
}
