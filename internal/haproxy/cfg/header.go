package cfg

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
)

const (
	// marker is the first line of every file that edgelb writes.
	marker = "# Managed by edgelb. Do not edit: what is changed by hand is overwritten."
	// descriptionPrefix precedes the structure hash in the description of the running HAProxy.
	descriptionPrefix = "edgelb structure="
)

var fingerprintPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Header holds the fields in the first lines of a file.
type Header struct {
	// Owner is the owner of the file; empty for an idle file, which anybody may replace.
	Owner string
	// Host is the name under which the owner manages the host. It is empty for an idle file, and for a file of an edgelb that
	// did not write it. It tells different names of one machine apart.
	Host string
	// Structure and Whole are the structure hash and the full hash as in File. They are empty if the file's cannot be parsed,
	// and then never equal those of a wanted configuration.
	Structure, Whole string
	// Names is the SHA-256 of the map file that belongs to this file, in hexadecimal digits; empty if there is none.
	Names string
}

// Free reports whether the file has no owner.
func (h Header) Free() bool { return h.Owner == "" }

// text returns the header in the format that ParseHeader parses.
func (h Header) text() string {
	owner := h.Owner
	if h.Free() {
		owner = haproxy.NoOwner
	}
	host := ""
	if h.Host != "" {
		host = "# host: " + h.Host + "\n"
	}
	names := ""
	if h.Names != "" {
		names = "# names: " + h.Names + "\n"
	}
	return fmt.Sprintf("%s\n# owner: %s\n%s# structure: %s\n# whole: %s\n%s", marker, owner, host, h.Structure, h.Whole, names)
}

// ParseHeader parses who wrote a file; false if edgelb did not, or if the file does not name an owner. Only the comment
// lines at its very top count.
func ParseHeader(file []byte) (Header, bool) {
	line, rest, _ := bytes.Cut(file, []byte("\n"))
	if string(line) != marker {
		return Header{}, false
	}
	fields := headerFields(rest)
	owner := fields["owner"]
	if owner != haproxy.NoOwner && !haproxy.ValidOwner(owner) {
		return Header{}, false
	}
	header := Header{
		Owner: owner, Host: fields["host"], Structure: fingerprint(fields["structure"]), Whole: fingerprint(fields["whole"]),
		Names: fingerprint(fields["names"]),
	}
	if owner == haproxy.NoOwner {
		header.Owner = ""
	}
	if header.Free() || !haproxy.ValidHost(header.Host) {
		header.Host = ""
	}
	return header, true
}

// headerKeys are the known keys of a header.
var headerKeys = []string{"owner", "host", "structure", "whole", "names"}

// headerFields parses "# key: value" lines up to the first other line. If a key occurs twice, the first one counts.
func headerFields(text []byte) map[string]string {
	fields := make(map[string]string)
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		comment, ok := bytes.CutPrefix(line, []byte("# "))
		key, value, found := strings.Cut(string(comment), ": ")
		if !ok || !found {
			break
		}
		if _, twice := fields[key]; !twice && slices.Contains(headerKeys, key) {
			fields[key] = value
		}
	}
	return fields
}

// fingerprint returns s if it has the form of a hash, else an empty string.
func fingerprint(s string) string {
	if !fingerprintPattern.MatchString(s) {
		return ""
	}
	return s
}

// ParseDescription parses the structure hash in the description that "show info" returns; false if the running configuration
// is not edgelb's.
func ParseDescription(description string) (structure string, ok bool) {
	value, found := strings.CutPrefix(description, descriptionPrefix)
	if !found || fingerprint(value) == "" {
		return "", false
	}
	return value, true
}
