package connect

import (
	"bytes"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
)

func TestParsedSecretsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	privateKey := sshkeys.File(t, sshkeys.New(t))
	comment := append([]byte("# "), bytes.Repeat([]byte("x"), 900<<10)...)
	var cache credentialsCache
	for i := range 200 {
		name := types.NamespacedName{Name: fmt.Sprint(i % 50)}
		if _, err := cache.parse(name, privateKey, fmt.Appendf(comment[:len(comment):len(comment)], "\n# %d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	size := 0
	for _, parsed := range cache.parsed {
		size += parsed.size()
	}
	if size != cache.size || size > mostParsedBytes || len(cache.parsed) == 0 {
		t.Errorf("%d texts of %d bytes are kept, said to be %d, of at most %d", len(cache.parsed), size, cache.size, mostParsedBytes)
	}
}

func TestASecretIsParsedAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	first, second := sshkeys.File(t, sshkeys.New(t)), sshkeys.File(t, sshkeys.New(t))
	name := types.NamespacedName{Namespace: "shop", Name: "edge-ssh"}
	var cache credentialsCache
	parse := func(key, knownHosts []byte) string {
		credentials, err := cache.parse(name, key, knownHosts)
		if err != nil {
			t.Fatal(err)
		}
		return credentials.AuthorizedKey()
	}
	one, two := parse(first, nil), parse(second, nil)
	if one == two || one != parse(first, nil) {
		t.Errorf("the keys are %q and %q", one, two)
	}
	if _, err := cache.parse(name, first, []byte("@revoked x\n")); err == nil {
		t.Error("a known_hosts that cannot be read is taken for the previous one")
	}
	for i := range 2 * mostParsed {
		name.Name = fmt.Sprintf("edge-ssh-%d", i%(mostParsed+1))
		parse(first, nil)
	}
	if len(cache.parsed) > mostParsed {
		t.Errorf("it holds %d Secrets", len(cache.parsed))
	}
}
