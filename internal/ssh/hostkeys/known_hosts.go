package hostkeys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // known_hosts hashes names with it; no signature depends on it.
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// KnownHosts is a parsed known_hosts file. Names are matched as in ssh: a port other than 22 is part of the name
// ("[name]:port"), and an entry without a port does not apply to other ports. The zero value knows no host.
type KnownHosts struct {
	entries []knownHost
	revoked []ssh.PublicKey
	// unusable are the first mostUnusable lines that cannot be used.
	unusable []unusableLine
	// digest is the hash of the text, to compare files.
	digest [sha256.Size]byte
}

// knownHost is one line that trusts a key.
type knownHost struct {
	matches   func(name string) bool
	key       ssh.PublicKey
	authority bool
}

// unusableLine is a line that cannot be used, and the hosts that it may be meant for.
type unusableLine struct {
	matches func(name string) bool
	err     *KnownHostsError
}

// mostUnusable is how many unusable lines are kept.
const mostUnusable = 100

// KnownHostsError says that a line of a known_hosts file cannot be used. Line counts from 1.
type KnownHostsError struct {
	Line  int
	Cause error
}

func (e *KnownHostsError) Error() string {
	return fmt.Sprintf("line %d of known_hosts cannot be used: %v; correct or delete it", e.Line, e.Cause)
}

func (e *KnownHostsError) Unwrap() error { return e.Cause }

// ParseKnownHosts parses a known_hosts file: plain names, lists, wildcards, negation, hashed names, bracketed names with
// a port, and the markers @revoked and @cert-authority.
//
// A line that cannot be used is ignored, and Unusable returns it; all others apply. The exception is an unusable line that may
// revoke a key: it is an error, a *KnownHostsError, because a revocation must not be ignored.
//
// A revoked key is refused on every host, whatever names its line has, and so is a certificate of it, and every certificate that it has
// signed. A line with @cert-authority trusts the certificates of the hosts that it names which its key has signed.
func ParseKnownHosts(text []byte) (KnownHosts, error) {
	known := KnownHosts{digest: sha256.Sum256(text)}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return KnownHosts{}, &KnownHostsError{Line: 1, Cause: errors.New("the file is UTF-16, as some shells of Windows write it; store it as UTF-8")}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		err := known.add(line)
		switch {
		case err == nil:
		case mayRevoke(line):
			return KnownHosts{}, &KnownHostsError{Line: number, Cause: err}
		case len(known.unusable) < mostUnusable:
			known.unusable = append(known.unusable, unusableLine{hostsOf(line), &KnownHostsError{Line: number, Cause: err}})
		}
	}
	return known, nil
}

// mayRevoke reports whether a line that cannot be parsed may revoke a key: it has a marker other than @cert-authority.
func mayRevoke(line []byte) bool {
	return line[0] == '@' && !bytes.HasPrefix(line, []byte("@cert-authority"))
}

// hostsOf returns a matcher of the hosts that an unusable line may be meant for: all, if the hosts cannot be parsed either.
func hostsOf(line []byte) func(name string) bool {
	matches, err := parseHosts(strings.Split(string(bytes.Fields(line)[0]), ","))
	if err != nil || line[0] == '@' || len(bytes.Fields(line)) < 2 {
		return func(string) bool { return true }
	}
	return matches
}

func (k *KnownHosts) add(line []byte) error {
	fields := bytes.Fields(line)
	if string(fields[0]) == "@revoked" && len(fields) > 2 && isOtherType(string(fields[2])) && !isCertificateType(string(fields[2])) {
		// No host can prove itself with a key of a type that is not supported.
		return nil
	}
	if len(fields) < 3 {
		return errors.New(`it is not of the form "name key-type key"`)
	}
	marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
	if err != nil {
		return explainType(fields, err)
	}
	if marker == "revoked" {
		k.revoked = append(k.revoked, key)
		return nil
	}
	if marker != "" && marker != "cert-authority" {
		return fmt.Errorf("the marker @%s is not known", marker)
	}
	if SignatureAlgorithms(key.Type()) == nil {
		return unsupported(key.Type())
	}
	matches, err := parseHosts(hosts)
	if err != nil {
		return err
	}
	k.entries = append(k.entries, knownHost{matches: matches, key: key, authority: marker == "cert-authority"})
	return nil
}

// isOtherType reports whether ssh knows the key type, but edgelb does not support it.
func isOtherType(keyType string) bool {
	switch keyType {
	case "ssh-dss", "ssh-ed448", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com":
		return true
	default:
		return isCertificateType(keyType)
	}
}

func isCertificateType(keyType string) bool {
	return strings.HasSuffix(keyType, "-cert-v01@openssh.com")
}

func unsupported(keyType string) error {
	return fmt.Errorf("keys of the type %s are not supported", keyType)
}

// explainType returns an error about the key type if that is why the line cannot be parsed.
func explainType(fields [][]byte, err error) error {
	if isOtherType(string(fields[1])) {
		return unsupported(string(fields[1]))
	}
	return err
}

// Equal reports whether both were parsed from the same text.
func (k KnownHosts) Equal(other KnownHosts) bool { return k.digest == other.digest }

// Digest returns the hash of the text.
func (k KnownHosts) Digest() [sha256.Size]byte { return k.digest }

// WithoutEntries returns a copy that knows no host but is Equal to the original: enough to detect that the file has changed.
func (k KnownHosts) WithoutEntries() KnownHosts { return KnownHosts{digest: k.digest} }

// Revoked returns the keys that no host may have.
func (k KnownHosts) Revoked() []ssh.PublicKey { return k.revoked }

// Lookup returns the allowed keys of a host, and the authorities whose certificates of it are allowed. An authority that is named for the
// host without a port signs for all of its ports, as in ssh.
func (k KnownHosts) Lookup(address string, port int) (keys, authorities []ssh.PublicKey) {
	name, anyPort := HostName(address, port), HostName(address, defaultPort)
	for _, entry := range k.entries {
		switch {
		case entry.authority && (entry.matches(name) || entry.matches(anyPort)):
			authorities = append(authorities, entry.key)
		case !entry.authority && entry.matches(name):
			keys = append(keys, entry.key)
		}
	}
	return keys, authorities
}

// Unusable returns the first 3 unusable lines that may be meant for a host.
func (k KnownHosts) Unusable(name string) []*KnownHostsError {
	var lines []*KnownHostsError
	for _, line := range k.unusable {
		if len(lines) < 3 && line.matches(name) {
			lines = append(lines, line.err)
		}
	}
	return lines
}

const defaultPort = 22

// HostName returns a host's name in known_hosts format: "name", or "[name]:port" if the port is not 22.
func HostName(address string, port int) string {
	address = strings.ToLower(address)
	if port == defaultPort {
		return address
	}
	return "[" + address + "]:" + strconv.Itoa(port)
}

func parseHosts(hosts []string) (func(name string) bool, error) {
	if strings.HasPrefix(hosts[0], "|") {
		if len(hosts) > 1 {
			return nil, errors.New("a hashed name must stand alone")
		}
		return parseHashedHost(hosts[0])
	}
	var wanted, unwanted []string
	for _, pattern := range hosts {
		pattern = strings.ToLower(pattern)
		if rest, negated := strings.CutPrefix(pattern, "!"); negated {
			unwanted = append(unwanted, withoutDefaultPort(rest))
		} else {
			wanted = append(wanted, withoutDefaultPort(pattern))
		}
	}
	return func(name string) bool { return matchesAny(wanted, name) && !matchesAny(unwanted, name) }, nil
}

// withoutDefaultPort turns "[name]:22" into "name", which means the same.
func withoutDefaultPort(pattern string) string {
	rest, bracketed := strings.CutPrefix(pattern, "[")
	if name, ok := strings.CutSuffix(rest, "]:22"); bracketed && ok {
		return name
	}
	return pattern
}

func parseHashedHost(text string) (func(name string) bool, error) {
	parts := strings.Split(text, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return nil, errors.New("the hashed name is not of the form |1|salt|hash")
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("the salt of the hashed name: %w", err)
	}
	want, err := base64.StdEncoding.DecodeString(parts[3])
	if err != nil {
		return nil, fmt.Errorf("the hash of the hashed name: %w", err)
	}
	if len(want) != sha1.Size {
		return nil, fmt.Errorf("the hash of the hashed name has %d bytes instead of %d", len(want), sha1.Size)
	}
	return func(name string) bool {
		mac := hmac.New(sha1.New, salt)
		mac.Write([]byte(name))
		return hmac.Equal(mac.Sum(nil), want)
	}, nil
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if matchesWildcard(pattern, name) {
			return true
		}
	}
	return false
}

// matchesWildcard matches "*" with any text and "?" with any byte. It backtracks to the last star only, so its time is at
// most the product of the lengths.
func matchesWildcard(pattern, name string) bool {
	p, n, star, resume := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
