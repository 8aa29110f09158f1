package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// retired are words that this project once had for what the field has a name for, and that name. One word has one sense here.
var retired = map[string]string{
	`quick turns?|full turns?|glances?`: "fast sync, full sync, verification",
	`memories`:                          "sync caches",
	`leavers?|farewells?`:               "detaching objects, draining servers and their removal",
	`handovers?`:                        "server state, replacement grace, kept listeners",
	`mailbox(es)?|woken`:                "queue source, host events",
	`tall(y|ies)`:                       "server stats",
	`surveys?|misfits?|lackof\w+`:       "facts, preflight; no ready endpoint and why",
	`looked at`:                         "checked",
	`fil(e|es) of names`:                "map file",
	`twins?`:                            "duplicate",
	`tenanc(y|ies)|wish(es)?|keepers?`:  "frontend group, claim, kept listeners",
	`shortfalls?`:                       "bind failures",
	`verdicts?`:                         "condition state",
	`lags?|lagged`:                      "pending write, stale file",
	`commitments?`:                      "write options",
	`goes on serving|is to be told|of no news`: "keeps serving; must be reported; unchanged",
}

func TestNoRetiredWordComesBack(t *testing.T) {
	t.Parallel()
	list, err := exec.CommandContext(t.Context(), "git", "ls-files", "*.go", "*.md", "*.sh", "*.tmpl").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(list))
	if len(files) < 100 {
		t.Fatalf("git lists %d files", len(files))
	}
	patterns := slices.Sorted(maps.Keys(retired))
	anyWord := regexp.MustCompile(`(?i)\b(?:(` + strings.Join(patterns, ")|(") + `))\b`)
	for _, file := range files {
		if file == "words_test.go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, at := range anyWord.FindAllIndex(text, -1) {
			word := string(text[at[0]:at[1]])
			t.Errorf("%s:%d: %q is retired: say %s", file, 1+bytes.Count(text[:at[0]], []byte("\n")), word, insteadOf(word))
		}
	}
}

func insteadOf(word string) string {
	for pattern, instead := range retired {
		if regexp.MustCompile(`(?i)^(` + pattern + `)$`).MatchString(word) {
			return instead
		}
	}
	return "another word"
}
