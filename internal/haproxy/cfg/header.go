package cfg

import (
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/host/header"
)

// descriptionPrefix precedes the structure hash in the description of the running HAProxy.
const descriptionPrefix = "edgelb structure="

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
	return fmt.Sprintf("%s\n# owner: %s\n%s# structure: %s\n# whole: %s\n%s", header.Marker, owner, host, h.Structure, h.Whole, names)
}

// ParseHeader parses who wrote a file; false if edgelb did not, or if the file does not name an owner. Only the comment
// lines at its very top count.
func ParseHeader(file []byte) (Header, bool) {
	fields, ours := header.Fields(file)
	owner := fields["owner"]
	if !ours || owner != haproxy.NoOwner && !haproxy.ValidOwner(owner) {
		return Header{}, false
	}
	h := Header{
		Owner: owner, Host: fields["host"], Structure: header.Hash(fields["structure"]), Whole: header.Hash(fields["whole"]),
		Names: header.Hash(fields["names"]),
	}
	if owner == haproxy.NoOwner {
		h.Owner = ""
	}
	if h.Free() || !header.ValidHost(h.Host) {
		h.Host = ""
	}
	return h, true
}

// ParseDescription parses the structure hash in the description that "show info" returns; false if the running configuration
// is not edgelb's.
func ParseDescription(description string) (structure string, ok bool) {
	value, found := strings.CutPrefix(description, descriptionPrefix)
	if !found || header.Hash(value) == "" {
		return "", false
	}
	return value, true
}
