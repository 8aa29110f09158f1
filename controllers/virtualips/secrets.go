package virtualips

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/secrets"
)

// secretsOf returns what the commands of instances get. The error is one of the API server.
func (r *Controller) secretsOf(ctx context.Context, names map[string]types.NamespacedName) (map[string]keepalived.Secret, error) {
	found := map[string]keepalived.Secret{}
	for instance, name := range names {
		rules, err := r.RulesOf(ctx, name.Namespace)
		if err != nil {
			return nil, err
		}
		version, err := r.Secrets.Version(ctx, name)
		if err != nil {
			return nil, err
		}
		secret, err := r.Secrets.Load(ctx, name, version, rules.Limits.SecretBytes.Most)
		if err != nil {
			return nil, err
		}
		found[instance] = contentOf(name, secret, rules.Limits.SecretBytes)
	}
	return found, nil
}

// contentOf returns what a command gets of a Secret, or says why it gets nothing.
func contentOf(name types.NamespacedName, secret secrets.Secret, limit policy.Limit) keepalived.Secret {
	switch {
	case secret.Version == "":
		return troubled("Secret %s does not exist: create it, with the type %s", name, v1alpha1.SecretTypeNotify)
	case secret.TooLarge:
		return troubled("Secret %s is not used: %v", name, limit.Exceeded())
	case !secret.ForHosts:
		return troubled("Secret %s does not have the type %s, without which it is brought to no host: create it anew with that type", name, v1alpha1.SecretTypeNotify)
	}
	for key := range secret.Data {
		if !keepalived.ValidFileName(key) {
			return troubled("Secret %s has the key %q, which cannot be the name of a file: rename it", name, key)
		}
	}
	return keepalived.Secret{Files: secret.Data}
}

func troubled(format string, args ...any) keepalived.Secret {
	return keepalived.Secret{Trouble: fmt.Sprintf(format, args...)}
}
