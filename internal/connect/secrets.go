package connect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/bounded"
	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
	"github.com/edgelb/edgelb/internal/ssh/privatekey"
)

// explainSecret adds, for a Secret without a private key, which keys it has: often the key has another name there.
func explainSecret(secret map[string][]byte, err error) error {
	var invalid *privatekey.Error
	if !errors.As(err, &invalid) || invalid.Problem != privatekey.Missing || len(secret[v1alpha1.SecretKeyPrivateKey]) > 0 {
		return err
	}
	has := "nothing"
	if len(secret) > 0 {
		has = strings.Join(sanitize.First(slices.Sorted(maps.Keys(secret)), 5), ", ")
	}
	return fmt.Errorf("it needs the keys %s and %s, and has %s: %w", v1alpha1.SecretKeyPrivateKey, v1alpha1.SecretKeyKnownHosts, has, err)
}

// credentialsCache keeps the last parsed content of Secrets: a known_hosts may have thousands of lines, and each host needs it for
// each of its syncs. Its methods are safe for concurrent use.
type credentialsCache struct {
	// parsing is held while a Secret is parsed: hundreds of hosts may ask for a new one at once.
	parsing sync.Mutex
	parsed  bounded.Cache[types.NamespacedName, parsedSecret]
}

type parsedSecret struct {
	files       credentials.Files
	credentials credentials.Credentials
}

// filesOf returns what of a Secret logs in to hosts.
func filesOf(secret map[string][]byte) credentials.Files {
	return credentials.Files{
		PrivateKey: secret[v1alpha1.SecretKeyPrivateKey], Certificate: secret[v1alpha1.SecretKeyCertificate],
		Previous: secret[v1alpha1.SecretKeyPreviousKey], KnownHosts: secret[v1alpha1.SecretKeyKnownHosts],
	}
}

// The limits of the cache: parsed content takes several times the memory of the texts.
const (
	mostParsed      = 1000
	mostParsedBytes = 8 << 20
)

func newCredentialsCache() *credentialsCache {
	return &credentialsCache{parsed: bounded.Cache[types.NamespacedName, parsedSecret]{
		Most: mostParsed, MostSize: mostParsedBytes,
		SizeOf: func(s parsedSecret) int { return s.files.Size() },
	}}
}

func (c *credentialsCache) parse(name types.NamespacedName, files credentials.Files) (credentials.Credentials, error) {
	c.parsing.Lock()
	defer c.parsing.Unlock()
	if known, found := c.parsed.Get(name); found && known.files.Equal(files) {
		return known.credentials, nil
	}
	parsed, err := credentials.Parse(files)
	if err != nil {
		return credentials.Credentials{}, err
	}
	c.parsed.Put(name, parsedSecret{files, parsed})
	return parsed, nil
}
