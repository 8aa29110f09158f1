package cfg

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestAMapFileNeedsAPathOnlyIfThereAreNames(t *testing.T) {
	t.Parallel()
	nowhere := debian()
	nowhere.NamesPrefix = ""
	if _, err := Render(sample.Web(t), nowhere); err != nil {
		t.Errorf("no names: %v", err)
	}
	if _, err := Render(sample.Routing(t), nowhere); err == nil || !strings.Contains(err.Error(), "the map file: there are names or weighted routes") {
		t.Errorf("names: got %v", err)
	}
	bad := debian()
	bad.NamesPrefix = "/etc/a b"
	if _, err := Render(sample.Web(t), bad); err == nil || !strings.Contains(err.Error(), `the map file: "/etc/a b"`) {
		t.Errorf("bad path: got %v", err)
	}
}

func TestPlatformIsChecked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		edit func(*Platform)
		want string
	}{
		{"user", func(p *Platform) { p.User = "a b" }, `the user: "a b"`},
		{"user with a dash first", func(p *Platform) { p.User = "-u" }, `the user: "-u"`},
		{"group", func(p *Platform) { p.Group = "a\n" }, `the group: "a\n"`},
		{"socket user", func(p *Platform) { p.SocketUser = strings.Repeat("a", maxAccount+1) }, "the admin socket's user"},
		{"chroot", func(p *Platform) { p.Chroot = "jail" }, `the chroot: "jail"`},
		{"state file", func(p *Platform) { p.StateFile = "" }, `the state file: ""`},
		{"state file with a variable", func(p *Platform) { p.StateFile = "/$HOME" }, `the state file: "/$HOME"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := debian()
			tc.edit(&p)
			if err := p.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}
