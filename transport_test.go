package main

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
