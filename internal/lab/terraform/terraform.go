// Package terraform evaluates the modules of examples/terraform with bin/terraform-outputs, which is hack/terraform, for resources that
// exist in the test only.
package terraform

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// Known are the values that providers give resources and data sources, by type and name, and for each instance of a called module.
type Known struct {
	Resources map[string]any              `json:"resources,omitempty"`
	Data      map[string]any              `json:"data,omitempty"`
	Modules   map[string]map[string]Known `json:"modules,omitempty"`
}

// Values are the variables of a module, and what is known besides.
type Values struct {
	Variables map[string]any `json:"variables"`
	Known
}

// Outputs returns the outputs of a module, which is a folder of examples/terraform.
func Outputs(ctx context.Context, module string, values Values) (map[string]json.RawMessage, error) {
	root, err := programs.Root()
	if err != nil {
		return nil, err
	}
	examples := filepath.Join(root, "examples", "terraform")
	if err := programs.Track(examples); err != nil {
		return nil, err
	}
	program := filepath.Join(root, "bin", "terraform-outputs")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("evaluate %s: there is no bin/terraform-outputs; `make terraform-outputs` builds it", module)
	}
	input, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, filepath.Join(examples, module))
	command.Stdin = bytes.NewReader(input)
	text, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("evaluate %s: %w", module, err)
	}
	outputs := map[string]json.RawMessage{}
	return outputs, json.Unmarshal(text, &outputs)
}

// HostKey is a new key of a host as the provider tls makes it, both halves in OpenSSH's format.
type HostKey struct{ Private, Public string }

// NewHostKey makes one.
func NewHostKey() (HostKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return HostKey{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return HostKey{}, err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return HostKey{}, err
	}
	return HostKey{Private: string(pem.EncodeToMemory(block)), Public: string(ssh.MarshalAuthorizedKey(key))}, nil
}

// Known returns what the module edge-host knows of its key.
func (k HostKey) Known() Known {
	return Known{Resources: map[string]any{"tls_private_key": map[string]any{
		"host": map[string]string{"private_key_openssh": k.Private, "public_key_openssh": k.Public},
	}}}
}
