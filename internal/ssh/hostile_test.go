package ssh

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

// kexInit is the body of the message that begins a key exchange; see RFC 4253, 7.1.
type kexInit struct {
	Cookie                                           [16]byte `sshtype:"20"`
	Kex, HostKey                                     []string
	CipherUp, CipherDown, MACUp, MACDown, ZipUp, Zip []string
	LanguageUp, LanguageDown                         []string
	FirstFollows                                     bool
	Reserved                                         uint32
}

// disconnect is the body of the message that ends a connection; see RFC 4253, 11.1.
type disconnect struct {
	Reason            uint32 `sshtype:"1"`
	Message, Language string
}

// offers returns algorithms that a client accepts.
func offers() kexInit {
	all := ssh.SupportedAlgorithms()
	return kexInit{
		Kex: all.KeyExchanges, HostKey: []string{ssh.KeyAlgoED25519}, CipherUp: all.Ciphers, CipherDown: all.Ciphers,
		MACUp: all.MACs, MACDown: all.MACs, ZipUp: []string{"none"}, Zip: []string{"none"},
	}
}

// says sends the greeting and one packet, and keeps the connection open.
func says(t *testing.T, body any) func(net.Conn) {
	t.Helper()
	payload := ssh.Marshal(body)
	padding := 8 - (len(payload)+5)%8
	if padding < 4 {
		padding += 8
	}
	length := 1 + len(payload) + padding
	packet := []byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length), byte(padding)}
	packet = append(append(packet, payload...), make([]byte, padding)...)
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, "SSH-2.0-hostile\r\n"+string(packet))
		hold(conn)
	}
}

// Whatever a host sends before its key is verified, the error must be short and printable.
func TestAnErrorContainsLittleTextFromAHost(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\x1b]0;owned\a\x00\u202e\xff"
	long := strings.Repeat(evil, 10_000)
	hostKey, cipher, many := offers(), offers(), offers()
	hostKey.HostKey = []string{long}
	cipher.CipherDown = []string{long}
	many.Kex = strings.Split(strings.Repeat("k"+evil+",", 3000), ",")
	for name, test := range map[string]struct {
		body any
		want string
	}{
		"the name of a key's algorithm": {hostKey, "no key of the type that is pinned"},
		"the name of a cipher":          {cipher, "no algorithm in common"},
		"many names":                    {many, "no algorithm in common"},
		"a disconnect":                  {disconnect{Reason: 2, Message: long}, "handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := loopback(serve(t, says(t, test.body)))
			target.HostKeys, target.ConnectTimeout = []string{keyA}, patience
			target.Credentials = credentialsOf(t, sshkeys.New(t), "")
			_, err := Dial(t.Context(), target)
			var untrusted *hostkeys.UntrustedError
			var unreachable *failure.UnreachableError
			if !errors.As(err, &untrusted) && !errors.As(err, &unreachable) {
				t.Fatalf("error %v", err)
			}
			said := err.Error()
			if len(said) > sanitize.Message || strings.ContainsFunc(said, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
				t.Errorf("error of %d bytes: %.500q", len(said), said)
			}
			if !strings.Contains(said, test.want) {
				t.Errorf("error %q does not say %q", said, test.want)
			}
		})
	}
}
