package cfg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// Fingerprints are those of the file that Render would write, without writing it; it refuses what Render refuses. It is
// cheap even where there are thousands of servers.
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

// checkPlace wants a place for the file of names if there is one.
func checkPlace(c haproxy.Config, p Platform) error {
	if p.NamesPrefix == "" && c.UsesMap() {
		return errors.New("the file of names: there are names or ways to look up, and it has no path")
	}
	return nil
}

// Whole is the fingerprint of the file that Render would write, of which the structure's is known. It refuses a Config that
// Render refuses.
func Whole(c haproxy.Config, structure string) (string, error) {
	if err := errors.Join(c.Validate(), checkKnown(c)); err != nil {
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

// wholeOf hashes the structure, a line for each server, and a line for each name.
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
			// A hash takes many servers at once faster than one at a time, and never fails.
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
