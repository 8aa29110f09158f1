package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"testing"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"
)

func TestParsedSecretsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	privateKey := pem.EncodeToMemory(block)
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
