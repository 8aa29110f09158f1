package connect

import (
	"bytes"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
)

func TestParsedSecretsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	privateKey := sshkeys.File(t, sshkeys.New(t))
	comment := append([]byte("# "), bytes.Repeat([]byte("x"), 900<<10)...)
	cache := newCredentialsCache()
	for i := range 200 {
		name := types.NamespacedName{Name: fmt.Sprint(i % 50)}
		if _, err := cache.parse(name, credentials.Files{PrivateKey: privateKey, KnownHosts: fmt.Appendf(comment[:len(comment):len(comment)], "\n# %d\n", i)}); err != nil {
			t.Fatal(err)
		}
	}
	size, kept := 0, 0
	for i := range 50 {
		if parsed, found := cache.parsed.Get(types.NamespacedName{Name: fmt.Sprint(i)}); found {
			size, kept = size+parsed.files.Size(), kept+1
		}
	}
	if size > mostParsedBytes || kept == 0 {
		t.Errorf("%d texts of %d bytes are kept, of at most %d", kept, size, mostParsedBytes)
	}
}

func TestASecretIsParsedAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	first, second := sshkeys.File(t, sshkeys.New(t)), sshkeys.File(t, sshkeys.New(t))
	name := types.NamespacedName{Namespace: "shop", Name: "edge-ssh"}
	cache := newCredentialsCache()
	parse := func(key, knownHosts []byte) string {
		parsed, err := cache.parse(name, credentials.Files{PrivateKey: key, KnownHosts: knownHosts})
		if err != nil {
			t.Fatal(err)
		}
		return parsed.AuthorizedKey()
	}
	one, two := parse(first, nil), parse(second, nil)
	if one == two || one != parse(first, nil) {
		t.Errorf("the keys are %q and %q", one, two)
	}
	if _, err := cache.parse(name, credentials.Files{PrivateKey: first, KnownHosts: []byte("@revoked x\n")}); err == nil {
		t.Error("a known_hosts that cannot be read is taken for the previous one")
	}
	for i := range 2 * mostParsed {
		name.Name = fmt.Sprintf("edge-ssh-%d", i%(mostParsed+1))
		parse(first, nil)
	}
	kept := 0
	for i := range mostParsed + 1 {
		name.Name = fmt.Sprintf("edge-ssh-%d", i)
		if _, found := cache.parsed.Get(name); found {
			kept++
		}
	}
	if kept > mostParsed || kept == 0 {
		t.Errorf("it holds %d Secrets", kept)
	}
}
