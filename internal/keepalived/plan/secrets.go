package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/facts"
)

// SecretFile is a file of a Secret that a host must have.
type SecretFile struct {
	// Name is the file's path below keepalived.SecretsFolder.
	Name    string
	Content []byte
}

// SecretFiles returns the files that the host must have, sorted, and the instances whose files are left as they are, since their Secrets
// are not known.
func (w Wanted) SecretFiles() (files []SecretFile, left []string) {
	for _, i := range w.Config.Instances {
		if i.Notify.Command == "" || !i.Notify.Secret {
			continue
		}
		secret, known := w.Secrets[i.Name]
		if !known || secret.Trouble != "" {
			left = append(left, i.Name)
			continue
		}
		for key, content := range secret.Files {
			files = append(files, SecretFile{Name: i.Name + "/" + key, Content: content})
		}
	}
	slices.SortFunc(files, func(a, b SecretFile) int { return strings.Compare(a.Name, b.Name) })
	return files, left
}

// SecretsHash identifies what SecretFiles returns; empty if that is nothing.
func (w Wanted) SecretsHash() string {
	files, left := w.SecretFiles()
	if len(files)+len(left) == 0 {
		return ""
	}
	all := sha256.New()
	for _, file := range files {
		fmt.Fprintf(all, "%s %x\n", file.Name, sha256.Sum256(file.Content))
	}
	fmt.Fprintf(all, "%q", left)
	return hex.EncodeToString(all.Sum(nil))
}

// Notifies reports whether an instance has a command.
func (w Wanted) Notifies() bool {
	return slices.ContainsFunc(w.Config.Instances, func(i keepalived.Instance) bool { return i.Notify.Command != "" })
}

// missingSecrets says what commands need and is not there, and what is there and not needed.
func missingSecrets(f facts.Facts, wanted Wanted) []string {
	var reasons []string
	if wanted.Notifies() && !f.HasNotices {
		reasons = append(reasons, "there is no folder for the results of commands")
	}
	files, left := wanted.SecretFiles()
	needed := map[string]bool{}
	differs := func(file SecretFile) bool {
		path := keepalived.SecretsFolder + "/" + file.Name
		needed[path] = true
		sum := sha256.Sum256(file.Content)
		return f.Secrets[path] != hex.EncodeToString(sum[:])
	}
	for _, file := range files {
		if differs(file) {
			reasons = appendOnce(reasons, "a file of a Secret is not as wanted")
		}
	}
	for path := range f.Secrets {
		isLeft := slices.ContainsFunc(left, func(instance string) bool { return strings.HasPrefix(path, keepalived.SecretFolder(instance)+"/") })
		if !needed[path] && !isLeft {
			reasons = appendOnce(reasons, "there is a file of a Secret that nobody needs")
		}
	}
	return reasons
}

func appendOnce(reasons []string, reason string) []string {
	if slices.Contains(reasons, reason) {
		return reasons
	}
	return append(reasons, reason)
}
