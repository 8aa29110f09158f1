package cfg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

// Fingerprints returns the structure hash and the full hash of the file that Render would write, without writing it. It
// rejects what Render rejects. It is cheap even for thousands of servers.
func Fingerprints(c haproxy.Config, p Platform) (structure, whole string, err error) {
	if err := errors.Join(p.Validate(), checkPlace(c, p)); err != nil {
		return "", "", fmt.Errorf("cannot write this configuration: %w", err)
	}
	if structure, err = structureOf(c, p); err != nil {
		return "", "", err
	}
	if whole, err = Whole(c, structure); err != nil {
		return "", "", err
	}
	return structure, whole, nil
}

// checkPlace requires a path for the map file if there is one.
func checkPlace(c haproxy.Config, p Platform) error {
	if p.NamesPrefix == "" && c.UsesMap() {
		return errors.New("the map file: there are names or weighted routes to look up, and it has no path")
	}
	return nil
}

// Whole returns the full hash of the file that Render would write, given its structure hash. It rejects a Config that Render
// rejects.
func Whole(c haproxy.Config, structure string) (string, error) {
	if err := errors.Join(valid.Config(c), checkKnown(c)); err != nil {
		return "", fmt.Errorf("cannot write this configuration: %w", err)
	}
	return wholeOf(c, structure), nil
}

// structureOf hashes the text with each backend's servers replaced by what cannot change at run time.
func structureOf(c haproxy.Config, p Platform) (string, error) {
	hash := sha256.New()
	if err := body.Execute(hash, newView(c, p, "", p.NamesPrefix, fixedServerLines)); err != nil {
		return "", fmt.Errorf("hash the configuration's structure: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// wholeOf hashes the structure hash, a line for each server, and a line for each name.
func wholeOf(c haproxy.Config, structure string) string {
	hash := sha256.New()
	lines := append([]byte(structure), '\n')
	for _, b := range c.Backends {
		for _, s := range b.Servers {
			lines = append(lines, b.Name...)
			lines = append(lines, '/')
			lines = append(lines, s.Name...)
			lines = append(lines, ' ')
			lines = appendEndpoint(lines, s)
			lines = appendWeight(lines, s)
			lines = append(lines, '\n')
			// Hashing many servers at once is faster than one at a time, and never fails.
			if len(lines) > 4096 {
				_, _ = hash.Write(lines)
				lines = lines[:0]
			}
		}
	}
	_, _ = hash.Write(lines)
	_, _ = hash.Write(namesText(c.Entries()))
	return hex.EncodeToString(hash.Sum(nil))
}
