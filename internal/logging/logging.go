// Package logging makes the operator's logger: a zap core behind logr, that writes no secret.
package logging

import (
	"bytes"
	"cmp"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	ctrlzap "sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// New makes a logger with the options of the --zap-… flags. It is the last resort against secrets in the log: nothing should log one.
func New(options *ctrlzap.Options) logr.Logger {
	set := *options
	set.DestWriter = writer{cmp.Or[io.Writer](set.DestWriter, os.Stderr)}
	return zapr.NewLogger(ctrlzap.NewRaw(ctrlzap.UseFlagOptions(&set), ctrlzap.RawZapOpts(zap.WrapCore(wrap))))
}

// redacted replaces a secret.
const redacted = "[redacted]"

// secrets are what a private key and a token look like in a line of the log, where quotes may be escaped: PEM, JSON Web Tokens
// (RFC 7519), HTTP credentials (RFC 9110), and the fields of a kubeconfig.
var secrets = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[^"\\]|\\[^"])*` +
	`|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+` +
	`|(?i:\b(?:Bearer|Basic) [A-Za-z0-9+/=._~-]{16,})` +
	`|(?i:\b(?:password|token|client-key-data)\\?["']?\s*[:=]\s*\\?["']?[^\s"'\\]{12,})`)

// hints are parts of every text that secrets matches: most lines have none, and it takes no more than that to find out.
var hints = []string{"private key", "eyj", "bearer ", "basic ", "password", "token", "client-key-data"}

// writer redacts the lines that go through it, each in one Write. Nothing that a field has inside escapes it.
type writer struct{ io.Writer }

// Write implements io.Writer.
func (w writer) Write(line []byte) (int, error) {
	lower := bytes.ToLower(line)
	if !slices.ContainsFunc(hints, func(hint string) bool { return bytes.Contains(lower, []byte(hint)) }) {
		return w.Writer.Write(line)
	}
	_, err := w.Writer.Write(secrets.ReplaceAll(line, []byte(redacted)))
	return len(line), err
}

// core redacts the fields that hold a secret by their name or type: what they hold may look like anything. It encodes the fields of a
// logger only when something is written: most loggers, such as the one of each Reconcile, write nothing.
type core struct {
	zapcore.Core
	fields []zapcore.Field
}

func wrap(c zapcore.Core) zapcore.Core { return core{Core: c} }

// With implements zapcore.Core.
func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{Core: c.Core, fields: slices.Concat(c.fields, fields)}
}

// Check implements zapcore.Core.
func (c core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	return c.Core.Write(entry, clean(slices.Concat(c.fields, fields)))
}

// secretKeys are ends of the names of fields whose values are never written.
var secretKeys = []string{"password", "passphrase", "token", "privatekey", "kubeconfig", "authorization"}

// clean redacts the secrets among the fields, in place.
func clean(fields []zapcore.Field) []zapcore.Field {
	for i, field := range fields {
		if holdsSecret(field) {
			fields[i] = zap.String(field.Key, redacted)
		} else if values, ok := field.Interface.(map[string]float64); ok {
			fields[i] = zap.Object(field.Key, numbers(values))
		}
	}
	return fields
}

// numbers are written without reflection, which takes ten times as long.
type numbers map[string]float64

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (n numbers) MarshalLogObject(encoder zapcore.ObjectEncoder) error {
	for _, key := range slices.Sorted(maps.Keys(n)) {
		encoder.AddFloat64(key, n[key])
	}
	return nil
}

func holdsSecret(field zapcore.Field) bool {
	switch field.Interface.(type) {
	case *corev1.Secret, corev1.Secret, *corev1.SecretList, corev1.SecretList, map[string][]byte, []byte:
		return true
	}
	key := strings.ToLower(field.Key)
	return slices.ContainsFunc(secretKeys, func(name string) bool { return strings.HasSuffix(key, name) })
}
