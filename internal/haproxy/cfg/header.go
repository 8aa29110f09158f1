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
	// descriptionPrefix stands before the structure's fingerprint in what the running HAProxy says of itself.
	descriptionPrefix = "edgelb structure="
)

var fingerprintPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Header is what the first lines of a file say of it.
type Header struct {
	// Owner is whose file it is; empty for an idle file, which anybody may replace.
	Owner string
	// Host is the name under which the owner keeps the host; empty for an idle file and for one of an edgelb that did not
	// say. It tells the names of one machine apart.
	Host string
	// Structure and Whole are the fingerprints as in File. They are empty where the file's cannot be read, and so never
	// equal to those of a wanted configuration.
	Structure, Whole string
	// Names is the SHA-256 of the file of names that belongs to this one, in hexadecimal digits; empty if there is none.
	Names string
}

// Free says that the file belongs to nobody.
func (h Header) Free() bool { return h.Owner == "" }

// text is the header as ParseHeader reads it.
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

// ParseHeader reads who wrote a file; false when edgelb did not, or when the file does not say for whom. Only the comment
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

// headerKeys are those of a header that are read.
var headerKeys = []string{"owner", "host", "structure", "whole", "names"}

// headerFields reads "# key: value" lines up to the first line that is no such. Of a key that comes twice the first
// counts.
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

// fingerprint is s if it has the form of a fingerprint, else empty.
func fingerprint(s string) string {
	if !fingerprintPattern.MatchString(s) {
		return ""
	}
	return s
}

// ParseDescription reads the structure's fingerprint out of the description that "show info" returns; false when the
// running configuration is none of edgelb's.
func ParseDescription(description string) (structure string, ok bool) {
	value, found := strings.CutPrefix(description, descriptionPrefix)
	if !found || fingerprint(value) == "" {
		return "", false
	}
	return value, true
}
