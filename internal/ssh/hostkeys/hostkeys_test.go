package hostkeys

import (
	"testing"

	"golang.org/x/crypto/ssh"
)

func parse(t testing.TB, line string) ssh.PublicKey {
	t.Helper()
	key, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// FuzzParse: an accepted pin is one key of a supported type, and is the same key after it is formatted again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{keyA, keyB + " comment", " " + keyA, "ssh-rsa AAAA", "restrict " + keyA, "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		key, err := Parse(line)
		if err != nil {
			return
		}
		if SignatureAlgorithms(key.Type()) == nil {
			t.Fatalf("%q is accepted with the type %s", line, key.Type())
		}
		if again := parse(t, Text(key)); !Contains([]ssh.PublicKey{key}, again) {
			t.Fatalf("%q is another key when it is written anew", line)
		}
	})
}
