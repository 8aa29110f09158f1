package ssh

import (
	"errors"
	"io"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/failure"
)

// It tests the authorized_keys options of docs/security.md.
func TestAKeyMayBeRestrictedInAuthorizedKeys(t *testing.T) {
	t.Parallel()
	socket := echoSocket(t)
	for name, test := range map[string]struct {
		options       string
		in, forwarded bool
		// says is the command's output.
		says string
	}{
		"not at all":                      {"", true, true, "mine"},
		"restrict":                        {`restrict,from="127.0.0.1" `, true, false, "mine"},
		"restrict, but for forwarding":    {`restrict,port-forwarding,from="127.0.0.1" `, true, true, "mine"},
		"to another address":              {`from="192.0.2.1" `, false, false, ""},
		"to a network with the operator":  {`from="192.0.2.0/24,127.0.0.0/8" `, true, true, "mine"},
		"to a command of the host itself": {`command="echo theirs" `, true, true, "theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := sshkeys.New(t)
			server := startSSHD(t, sshkeys.Public(t, key))
			line := append([]byte(test.options), ssh.MarshalAuthorizedKey(sshkeys.Public(t, key))...)
			write(t, filepath.Join(filepath.Dir(server.config), "authorized_keys"), line)

			conn, err := Dial(t.Context(), server.target(t, key))
			var unauthorized *failure.UnauthorizedError
			switch {
			case !test.in && errors.As(err, &unauthorized):
				return
			case !test.in || err != nil:
				t.Fatalf("error %v", err)
			}
			defer conn.Close()
			stdout, _, _, err := conn.Run(within(t, patience), "/bin/sh -c 'read line; echo $line'", []byte("mine\n"), anything)
			if err != nil || string(stdout) != test.says+"\n" {
				t.Errorf("a command says %q, error %v, want %s", stdout, err, test.says)
			}
			stream, err := conn.DialUnix(within(t, patience), socket, anything)
			var refused *failure.ForwardingRefusedError
			if !test.forwarded {
				if !errors.As(err, &refused) {
					t.Errorf("error %v, want a *failure.ForwardingRefusedError", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			answer := make([]byte, 4)
			if _, err := stream.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(stream, answer); err != nil || string(answer) != "ping" {
				t.Errorf("the socket says %q, error %v", answer, err)
			}
		})
	}
}
