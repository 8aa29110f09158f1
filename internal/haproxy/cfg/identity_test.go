package cfg

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestForeignHeadersAreMatchedInEverySpelling(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(patternOf([]string{"x-real-ip", "x-forwarded*"}))
	for name, want := range map[string]bool{
		"x-real-ip": true, "x_real_ip": true, "x.real~ip": true, "x-forwarded": true, "x_forwarded_for": true, "x-forwardedfor": true,
		"x-real-ips": false, "ax-real-ip": false, "xrealip": false, "x1real-ip": false, "forwarded": false,
	} {
		if got := pattern.MatchString(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestTheReferenceNamesEveryForeignHeader(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Headers\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var named []string
	for line := range strings.Lines(section[strings.Index(section, "- of proxies"):]) {
		if !strings.HasPrefix(line, "- ") && !strings.HasPrefix(line, "  ") {
			break
		}
		for _, quoted := range regexp.MustCompile("`[^`]+`").FindAllString(line, -1) {
			named = append(named, strings.ToLower(strings.Trim(quoted, "`")))
		}
	}
	want := slices.Sorted(slices.Values(identityFields))
	slices.Sort(named)
	if !slices.Equal(named, want) {
		t.Errorf("the reference names %q, want %q", named, want)
	}
}
