package cfg

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// NamesPath returns the absolute path of the map file of a structure; prefix is Platform.NamesPrefix.
func NamesPath(prefix, structure string) string { return prefix + structure[:min(len(structure), 16)] }

// namesText returns the text of the map file.
func namesText(entries []haproxy.Entry) []byte {
	var text []byte
	for _, e := range entries {
		text = append(append(append(append(text, e.Key...), ' '), e.Value...), '\n')
	}
	return text
}

func sha256Hex(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
