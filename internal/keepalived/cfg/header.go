package cfg

import "github.com/edgelb/edgelb/internal/host/header"

// Header holds the fields in the first lines of a file.
type Header struct {
	// Owner is the owner of the file, and Host the name under which the owner manages the host; the latter may be empty.
	Owner, Host string
	// Hash is that of File. It is empty if the file's cannot be parsed, and then never equals that of a wanted configuration.
	Hash string
}

// text returns the header in the format that ParseHeader parses.
func (h Header) text() string {
	text := header.Marker + "\n# owner: " + h.Owner + "\n"
	if h.Host != "" {
		text += "# host: " + h.Host + "\n"
	}
	return text + "# hash: " + h.Hash + "\n"
}

// ParseHeader parses who wrote a file; false if edgelb did not, or if the file does not name an owner.
func ParseHeader(file []byte) (Header, bool) {
	fields, ours := header.Fields(file)
	h := Header{Owner: fields["owner"], Host: fields["host"], Hash: header.Hash(fields["hash"])}
	if !ours || !header.ValidOwner(h.Owner) {
		return Header{}, false
	}
	if !header.ValidHost(h.Host) {
		h.Host = ""
	}
	return h, true
}
