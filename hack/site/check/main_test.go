package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestALinkThatLeadsNowhereIsFound(t *testing.T) {
	t.Parallel()
	site, tree := t.TempDir(), t.TempDir()
	write(t, filepath.Join(tree, "README.md"), "")
	write(t, filepath.Join(site, "picture.svg"), "")
	write(t, filepath.Join(site, "sub/other.html"), `<h2 id="here">x</h2><a href="../index.html">up</a>`)
	write(t, filepath.Join(site, "index.html"), `<p id="top"><a href="#top"></a><a href="sub/other.html#here"></a><img src="picture.svg">
		<a href="https://example.com/gone"></a><a href="`+repository+`README.md#x"></a>
		<a href="#gone"></a><a href="sub/other.html#gone"></a><a href="gone.html"></a><img src="gone.svg"><a href="`+repository+`gone.go"></a>`)

	broken, links, err := check(site, tree)
	if err != nil || links != 11 {
		t.Fatalf("%d links, error %v", links, err)
	}
	var got []string
	for _, each := range broken {
		_, rest, _ := strings.Cut(each, " links to ")
		link, _, _ := strings.Cut(rest, ",")
		got = append(got, link)
	}
	want := []string{"#gone", "gone.html", "gone.svg", repository + "gone.go", "sub/other.html#gone"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("broken are %q, want %q", broken, want)
	}
}

func TestAnEmptySiteIsNoSite(t *testing.T) {
	t.Parallel()
	if _, _, err := check(t.TempDir(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "run make site") {
		t.Errorf("error %v, want one that says how to build it", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
