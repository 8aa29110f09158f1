package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	// linkTarget is where a link leads that is no URL: a file, an anchor, or both.
	linkTarget = regexp.MustCompile(`\]\(([^)#:\s]*)(#[^)\s]*)?\)`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	fencedCode = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
)

func TestEveryFileAndHeadingThatThePagesLinkToIsThere(t *testing.T) {
	t.Parallel()
	links, toHeadings := 0, 0
	for _, page := range pages(t) {
		for _, match := range linkTarget.FindAllStringSubmatch(withoutCode(t, page), -1) {
			links++
			target := page
			if match[1] != "" {
				target = filepath.Join(filepath.Dir(page), match[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if match[2] == "" || !strings.HasSuffix(target, ".md") {
				continue
			}
			toHeadings++
			if !slices.Contains(anchorsOf(t, target), match[2][1:]) {
				t.Errorf("%s links to %s of %s, which has no such heading", page, match[2], target)
			}
		}
	}
	if links < 200 || toHeadings < 30 {
		t.Errorf("found %d links, %d of them to headings", links, toHeadings)
	}
}

func TestNoPageHasTwoHeadingsWithOneAnchor(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		anchors := anchorsOf(t, page)
		for i, anchor := range anchors {
			if slices.Contains(anchors[:i], anchor) {
				t.Errorf("%s has two headings with the anchor #%s: a link leads to the first one only", page, anchor)
			}
		}
	}
}

func TestThePageWithTheNavigationHasEveryPageOnce(t *testing.T) {
	t.Parallel()
	const index = "../docs/README.md"
	var listed []string
	for _, match := range linkTarget.FindAllStringSubmatch(string(read(t, index)), -1) {
		listed = append(listed, filepath.Join("../docs", match[1]))
	}
	for _, page := range pages(t) {
		times := len(listed) - len(slices.DeleteFunc(slices.Clone(listed), func(link string) bool { return link == page }))
		if strings.HasPrefix(page, "../docs/") && page != index && times != 1 {
			t.Errorf("%s lists %s %d times, want once: the site's navigation is made of that list", index, page, times)
		}
	}
}

func TestEveryPageBeginsWithItsOneTitle(t *testing.T) {
	t.Parallel()
	title := regexp.MustCompile(`(?m)^# `)
	for _, page := range pages(t) {
		text := regexp.MustCompile(`\A<!--.*-->\n`).ReplaceAll(fencedCode.ReplaceAll(read(t, page), nil), nil)
		if titles := title.FindAllIndex(text, -1); len(titles) != 1 || titles[0][0] != 0 {
			t.Errorf("%s: want one heading of the first level, as its first line: it is the title of the page on the site", page)
		}
	}
}

// withoutCode is a page in which no code looks like a link.
func withoutCode(t *testing.T, page string) string {
	t.Helper()
	return string(inlineCode.ReplaceAll(fencedCode.ReplaceAll(read(t, page), nil), []byte("code")))
}

// anchorsOf are the anchors of a page's headings, as GitHub and Hugo make them.
func anchorsOf(t *testing.T, page string) []string {
	t.Helper()
	var anchors []string
	for _, match := range heading.FindAllSubmatch(fencedCode.ReplaceAll(read(t, page), nil), -1) {
		text := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(string(match[1]), "$1")
		anchors = append(anchors, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, text))
	}
	return anchors
}

// quoted is the part of a message in the first column of a table of messages.
var quoted = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ")

// pieces joins a string that the code writes in several pieces.
var pieces = regexp.MustCompile(`"\s*\+\s*"`)

func TestPagesQuoteWhatTheProgramSays(t *testing.T) {
	t.Parallel()
	source := sourceText(t)
	found := map[string]int{}
	for _, page := range pages(t) {
		sections := strings.Split(string(read(t, page)), "| the message has |")[1:]
		for _, section := range sections {
			section, _, _ = strings.Cut(section, "\n\n")
			for _, match := range quoted.FindAllStringSubmatch(section, -1) {
				found[filepath.Base(page)]++
				if !strings.Contains(source, match[1]) {
					t.Errorf("%s quotes %q, which no message has", page, match[1])
				}
			}
		}
	}
	if found["troubleshooting.md"] < 30 || found["moving-from-ansible.md"] < 5 || found["moving-from-metallb.md"] < 2 {
		t.Errorf("only these numbers of messages are quoted: %v", found)
	}
}

// sourceText is all of the code that is shipped, with the strings that it writes in several pieces put together.
func sourceText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, root := range []string{"../internal", "../controllers", "../api"} {
		err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			all.Write(read(t, path))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return pieces.ReplaceAllString(all.String(), "")
}
