package connect

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/ssh"
	"github.com/edgelb/edgelb/internal/ssh/privatekey"
)

// The keys of a Secret that logs in to hosts.
const (
	secretPrivateKey = "ssh-privatekey"
	secretKnownHosts = "known_hosts"
)

// explainSecret adds, for a Secret without a private key, which keys it has: often the key has another name there.
func explainSecret(secret map[string][]byte, err error) error {
	var invalid *privatekey.Error
	if !errors.As(err, &invalid) || invalid.Problem != privatekey.Missing || len(secret[secretPrivateKey]) > 0 {
		return err
	}
	has := "nothing"
	if len(secret) > 0 {
		has = strings.Join(sanitize.First(slices.Sorted(maps.Keys(secret)), 5), ", ")
	}
	return fmt.Errorf("it needs the keys %s and %s, and has %s: %w", secretPrivateKey, secretKnownHosts, has, err)
}

// credentialsCache keeps the last parsed content of Secrets: a known_hosts may have thousands of lines, and each host needs it for
// each of its syncs. Its methods are safe for concurrent use.
type credentialsCache struct {
	mu     sync.Mutex
	parsed map[types.NamespacedName]parsedSecret
	// size is that of the texts in parsed, in bytes.
	size int
}

type parsedSecret struct {
	privateKey, knownHosts []byte
	credentials            ssh.Credentials
}

func (s parsedSecret) size() int { return len(s.privateKey) + len(s.knownHosts) }

// The cache is emptied before it grows beyond these limits: parsed content takes several times the memory of the texts. The cache
// does not know which Secrets are no longer used.
const (
	mostParsed      = 1000
	mostParsedBytes = 8 << 20
)

func (c *credentialsCache) parse(name types.NamespacedName, privateKey, knownHosts []byte) (ssh.Credentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, found := c.parsed[name]; found && bytes.Equal(known.privateKey, privateKey) && bytes.Equal(known.knownHosts, knownHosts) {
		return known.credentials, nil
	}
	credentials, err := ssh.ParseCredentials(privateKey, knownHosts)
	if err != nil {
		return ssh.Credentials{}, err
	}
	c.keep(name, parsedSecret{privateKey, knownHosts, credentials})
	return credentials, nil
}

// keep must be called with the lock held.
func (c *credentialsCache) keep(name types.NamespacedName, parsed parsedSecret) {
	c.size += parsed.size() - c.parsed[name].size()
	if c.parsed == nil || len(c.parsed) >= mostParsed || c.size > mostParsedBytes {
		c.parsed, c.size = map[types.NamespacedName]parsedSecret{}, parsed.size()
	}
	c.parsed[name] = parsed
}
