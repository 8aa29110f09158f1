// Package privatekey parses the private key that the operator logs in with, and says how to fix one that cannot be used.
package privatekey

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

// Problem is why a private key cannot be used.
type Problem string

// The problems of a private key.
const (
	Missing      Problem = "Missing"
	Encrypted    Problem = "Encrypted"
	Public       Problem = "Public"
	Unreadable   Problem = "Unreadable"
	Unsupported  Problem = "Unsupported"
	PuTTY        Problem = "PuTTY"
	SecurityKey  Problem = "SecurityKey"
	EncodedTwice Problem = "EncodedTwice"
	UTF16        Problem = "UTF16"
)

// Error says that a private key cannot be used. Its text never contains any part of the key.
type Error struct {
	Problem Problem
	// Type is the type of an unsupported key; empty if it is unknown.
	Type  string
	Cause error
}

func (e *Error) Error() string {
	switch e.Problem {
	case Missing:
		return "the private key is missing or empty; store its file by this name (kubectl create secret generic NAME " +
			"--from-file=ssh-privatekey=FILE), or make one with: ssh-keygen -t ed25519 -N '' -f id_edgelb"
	case Encrypted:
		return "the private key is protected by a passphrase; the operator cannot ask for one: store a key without, " +
			"made from a copy with: ssh-keygen -p -N '' -f COPY"
	case Public:
		return "a public key was given where the private key belongs; store the file without .pub"
	case PuTTY:
		return "the private key is in PuTTY's own form; store what this makes of it: puttygen key.ppk -O private-openssh -o key"
	case SecurityKey:
		return fmt.Sprintf("the private key (%s) works only together with the security key (FIDO) that it was made with, which the "+
			"operator does not have; make another one with: ssh-keygen -t ed25519 -N '' -f id_edgelb", sanitize.Line(e.Type, sanitize.Name))
	case EncodedTwice:
		return "the private key is encoded in base64 once too often; kubectl and stringData take the file as it is: " +
			"kubectl create secret generic NAME --from-file=ssh-privatekey=FILE"
	case UTF16:
		return "the private key is UTF-16, as some programs of Windows write it; store it as UTF-8 without a byte order mark"
	case Unsupported:
		return "the private key is of a kind that is not supported" + e.inBrackets() + "; use ed25519, ECDSA or RSA"
	default:
		return "the private key cannot be read as an OpenSSH or PEM key; store the whole file, " +
			"from its BEGIN line to its END line, with its line ends"
	}
}

func (e *Error) Unwrap() error { return e.Cause }

func (e *Error) inBrackets() string {
	if e.Type == "" {
		return ""
	}
	return " (" + sanitize.Line(e.Type, sanitize.Name) + ")"
}

// byteOrderMark is what Windows editors write at the beginning of a file. It has no meaning in UTF-8.
const byteOrderMark = "\ufeff"

// Parse parses a private key: ed25519, ECDSA or RSA, in OpenSSH or PEM format, without a passphrase. The signer uses secure algorithms
// only. The error is an *Error.
func Parse(text []byte) (ssh.Signer, error) {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	if err := misplaced(text); err != nil {
		return nil, err
	}
	raw, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		return nil, &Error{Problem: problemOf(text, err), Cause: err}
	}
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, &Error{Problem: Unsupported, Cause: err}
	}
	return restrictSignatures(signer)
}

// misplaced returns an error if the text is not a usable private key, but for example a public key; nil if it may be one.
func misplaced(text []byte) error {
	keyType := openSSHType(text)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return &Error{Problem: Missing}
	case isUTF16(text):
		return &Error{Problem: UTF16}
	case bytes.HasPrefix(bytes.TrimSpace(text), []byte(puttyBegin)):
		return &Error{Problem: PuTTY}
	case isPublicKey(text):
		return &Error{Problem: Public}
	case isEncoded(text):
		return &Error{Problem: EncodedTwice}
	case strings.HasPrefix(keyType, "sk-"):
		return &Error{Problem: SecurityKey, Type: keyType}
	case keyType != "" && !slices.Contains(hostkeys.Types(), keyType):
		return &Error{Problem: Unsupported, Type: keyType}
	}
	return nil
}

// Prefixes of key files that are not PEM, and parts of OpenSSH's format.
const (
	puttyBegin       = "PuTTY-User-Key-File-"
	rfc4716Begin     = "---- BEGIN SSH2 PUBLIC KEY ----"
	opensshMagic     = "openssh-key-v1\x00"
	opensshBlockType = "OPENSSH PRIVATE KEY"
)

// isUTF16 reports whether the text has a UTF-16 byte order mark, or a NUL in its first two bytes: a key begins with ASCII.
func isUTF16(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) ||
		bytes.IndexByte(text[:min(len(text), 2)], 0) >= 0
}

func isPublicKey(text []byte) bool {
	if block, _ := pem.Decode(text); block != nil {
		return strings.HasSuffix(block.Type, "PUBLIC KEY")
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte(rfc4716Begin)) {
		return true
	}
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

// isEncoded reports whether the text is a PEM or PuTTY file that is base64-encoded once or several times.
func isEncoded(text []byte) bool {
	for {
		inner, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil || len(inner) == 0 {
			return false
		}
		text = bytes.TrimPrefix(inner, []byte(byteOrderMark))
		block, _ := pem.Decode(text)
		if block != nil || bytes.HasPrefix(text, []byte(puttyBegin)) {
			return true
		}
	}
}

// openSSHType returns the type of a key in OpenSSH format, which can be read without the passphrase; empty for other formats.
func openSSHType(text []byte) string {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != opensshBlockType || !bytes.HasPrefix(block.Bytes, []byte(opensshMagic)) {
		return ""
	}
	var file struct {
		Cipher, KDF, KDFOptions string
		Count                   uint32
		Public                  []byte
		Rest                    []byte `ssh:"rest"`
	}
	var public struct {
		Type string
		Rest []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(block.Bytes[len(opensshMagic):], &file) != nil || ssh.Unmarshal(file.Public, &public) != nil {
		return ""
	}
	return public.Type
}

func problemOf(text []byte, err error) Problem {
	var passphrase *ssh.PassphraseMissingError
	block, _ := pem.Decode(text)
	if errors.As(err, &passphrase) || (block != nil && block.Type == "ENCRYPTED PRIVATE KEY") {
		return Encrypted
	}
	return Unreadable
}

// restrictSignatures restricts the signer to secure signature algorithms: an RSA key must not sign with SHA-1.
func restrictSignatures(signer ssh.Signer) (ssh.Signer, error) {
	keyType := signer.PublicKey().Type()
	algorithms := hostkeys.SignatureAlgorithms(keyType)
	algorithmSigner, ok := signer.(ssh.AlgorithmSigner)
	if !ok || algorithms == nil {
		return nil, &Error{Problem: Unsupported, Type: keyType}
	}
	restricted, err := ssh.NewSignerWithAlgorithms(algorithmSigner, algorithms)
	if err != nil {
		return nil, &Error{Problem: Unsupported, Type: keyType, Cause: err}
	}
	return restricted, nil
}
