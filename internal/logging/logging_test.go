package logging_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrlzap "sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/edgelb/edgelb/internal/logging"
)

type logger = logr.Logger

// Texts that look like secrets. They are put together here, so that no scanner takes them for real ones.
var (
	body = strings.Repeat("c2VjcmV0", 8)
	key  = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n" + body + "\n-----END OPENSSH " + "PRIVATE KEY-----\n"
	jwt  = "eyJ" + body + ".eyJ" + body + "." + body
)

// logged returns what a logger with these flags writes.
func logged(t *testing.T, args []string, write func(l logger)) string {
	t.Helper()
	var options ctrlzap.Options
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	options.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	options.DestWriter = &out
	write(logging.New(&options))
	return out.String()
}

func TestNoSecretIsWritten(t *testing.T) {
	t.Parallel()
	type nested struct{ Inner map[string]string }
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "edge-ssh"}, Data: map[string][]byte{"ssh-privatekey": []byte(body)}}
	failure := fmt.Errorf("parse the key: %w", errors.New(key))
	for name, write := range map[string]func(l logger){
		"a key in a message":              func(l logger) { l.Info("the key is " + key) },
		"a key in a string":               func(l logger) { l.Info("x", "content", key) },
		"half of a key":                   func(l logger) { l.Info("x", "content", key[:60]) },
		"a key in bytes":                  func(l logger) { l.Info("x", "content", []byte(body)) },
		"a key in an error":               func(l logger) { l.Error(failure, "x") },
		"a key in a wrapped value":        func(l logger) { l.Info("x", "content", nested{map[string]string{"a": key}}) },
		"a key in a pointer's value":      func(l logger) { l.Info("x", "content", &nested{map[string]string{"a": jwt}}) },
		"a Secret":                        func(l logger) { l.Info("x", "object", secret) },
		"a Secret's value":                func(l logger) { l.Info("x", "object", *secret) },
		"the data of a Secret":            func(l logger) { l.Info("x", "data", secret.Data) },
		"a token in a field of its name":  func(l logger) { l.Info("x", "token", body) },
		"a password":                      func(l logger) { l.Info("x", "statsPassword", body) },
		"a token in a header":             func(l logger) { l.Info("x", "header", "Authorization: Bearer "+body) },
		"a token in a list":               func(l logger) { l.Info("x", "args", []string{"--as", jwt}) },
		"the token of a kubeconfig":       func(l logger) { l.Info("x", "text", "users: [{user: {token: "+body+"}}]") },
		"the key of a kubeconfig in JSON": func(l logger) { l.Info("x", "text", `{"client-key-data": "`+body+`"}`) },
		"a value of the logger":           func(l logger) { l.WithValues("auth", jwt).Info("x") },
		"a value that is kept for later":  func(l logger) { l.WithName("n").WithValues("content", key).V(1).Info("x") },
	} {
		for _, args := range [][]string{{"--zap-devel"}, {"--zap-encoder=json", "--zap-log-level=debug"}, {"--zap-encoder=console", "--zap-log-level=5"}} {
			output := logged(t, args, write)
			if output == "" || strings.Contains(output, body[:16]) || !strings.Contains(output, "redacted") && !strings.Contains(output, "edge-ssh") {
				t.Errorf("%s, with %q: %s", name, args, output)
			}
		}
	}
}

func TestWhatIsNoSecretIsWrittenAsItIs(t *testing.T) {
	t.Parallel()
	output := logged(t, []string{"--zap-encoder=json"}, func(l logger) {
		l.Info("Secret shop/edge-ssh has no token", "host", "192.0.2.1:22", "reasons", []string{"server pod-1 added"}, "seconds", 0.25,
			"message", "the password: expired, basic authentication", "phases", map[string]float64{"build": 0.5})
	})
	for _, want := range []string{
		`"msg":"Secret shop/edge-ssh has no token"`, `"host":"192.0.2.1:22"`, `"reasons":["server pod-1 added"]`, `"seconds":0.25`,
		`"message":"the password: expired, basic authentication"`, `"phases":{"build":0.5}`,
	} {
		if !strings.Contains(output, want) {
			t.Errorf("%s is not in %s", want, output)
		}
	}
}

func TestTheLevelHolds(t *testing.T) {
	t.Parallel()
	write := func(l logger) { l.V(1).Info("x") }
	if output := logged(t, []string{"--zap-log-level=info"}, write); output != "" {
		t.Errorf("got %q", output)
	}
	if output := logged(t, []string{"--zap-log-level=debug"}, write); output == "" {
		t.Error("nothing was written")
	}
}
