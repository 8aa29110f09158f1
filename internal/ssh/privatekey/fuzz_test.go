package privatekey

import (
	"errors"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/bounded"
	"github.com/edgelb/edgelb/internal/lab/sshkeys"
)

// Secrets are written by tenants, so any content must be handled.
func FuzzParse(f *testing.F) {
	for _, keyType := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256} {
		f.Add(sshkeys.File(f, sshkeys.NewOf(f, keyType)))
	}
	for _, text := range []string{"", "\ufeff", "PuTTY-User-Key-File-3: ssh-ed25519\n", "ssh-ed25519 AAAA root@gw1\n", "LS0tLS1CRUdJTg==",
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		bounded.Run(t, "reading it", len(text)*10, func() {
			_, err := Parse(text)
			var refusal *Error
			if err != nil && (!errors.As(err, &refusal) || len(err.Error()) > 1000) {
				t.Errorf("got the error %q, want a short *Error", err)
			}
		})
	})
}
