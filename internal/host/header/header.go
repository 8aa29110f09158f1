// Package header is what stands at the top of every file that edgelb writes on a host, whichever daemon it is for: whose the file is. It is
// pure.
package header

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Marker is the first line of every file that edgelb writes.
const Marker = "# Managed by edgelb. Do not edit: what is changed by hand is overwritten."

// The longest strings, in bytes. A host's name may have that of a jump host in it.
const (
	maxOwner = 1024
	maxHost  = 600
)

// None of them allows a quote, a comment, an escape or an end of line.
var (
	ownerPattern = regexp.MustCompile(`^[A-Za-z0-9/._:-]+$`)
	hostPattern  = regexp.MustCompile(`^[A-Za-z0-9_.:[\]-]+( via [A-Za-z0-9_.:[\]-]+)?$`)
	hashPattern  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ValidOwner reports whether a string can be the owner of a file.
func ValidOwner(owner string) bool { return len(owner) <= maxOwner && ownerPattern.MatchString(owner) }

// ValidHost reports whether a string can be the name under which an owner manages a host.
func ValidHost(host string) bool { return len(host) <= maxHost && hostPattern.MatchString(host) }

// OwnerRule and HostRule say what is valid.
var (
	OwnerRule = fmt.Sprintf(`use 1 to %d letters, digits and "/._:-"`, maxOwner)
	HostRule  = fmt.Sprintf(`use 1 to %d letters, digits and "_.:[]-", and the same of a jump host after " via "`, maxHost)
)

// Hash returns s if it has the form of a SHA-256 in hexadecimal digits, else an empty string.
func Hash(s string) string {
	if !hashPattern.MatchString(s) {
		return ""
	}
	return s
}

// Fields parses the "# key: value" lines below the marker, up to the first other line; false if edgelb did not write the file. If a key
// occurs twice, the first one counts.
func Fields(file []byte) (map[string]string, bool) {
	line, rest, _ := bytes.Cut(file, []byte("\n"))
	if string(line) != Marker {
		return nil, false
	}
	fields := map[string]string{}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		comment, isComment := bytes.CutPrefix(line, []byte("# "))
		key, value, isField := strings.Cut(string(comment), ": ")
		if !isComment || !isField {
			break
		}
		if _, twice := fields[key]; !twice {
			fields[key] = value
		}
	}
	return fields, true
}
