// Package files puts a host's configuration and its file of names in their place, and takes them back.
package files

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

// Files are those of one host.
type Files struct {
	Session *session.Session
	// Config is the path of the configuration, with symbolic links resolved.
	Config string
	// Owner and Host say who writes: for which host of which owner.
	Owner, Host string
}

// Hashes are the SHA-256 of the configuration and of its file of names, in hexadecimal digits; empty where there is no such file.
type Hashes struct{ Config, Names string }

// HashesOf are those that a file has when it is in its place.
func HashesOf(f cfg.File) Hashes { return Hashes{Config: f.SHA256(), Names: f.NamesSHA256()} }

// ErrTaken says that somebody else is at work: the former file is another than expected, or what was staged is gone.
var ErrTaken = errors.New("somebody else changes the file at the same moment")

// RefusedError says that HAProxy refuses a file.
type RefusedError struct {
	// Words are HAProxy's own.
	Words string
}

func (e *RefusedError) Error() string { return "HAProxy refuses the configuration: " + e.Words }

// UnwritableError says that a file could not be put in its place.
type UnwritableError struct {
	// Words are those of the host.
	Words string
}

func (e *UnwritableError) Error() string { return "the configuration cannot be written: " + e.Words }

// The exit statuses of scripts/stage.sh and scripts/commit.sh: what exitRefused means is that of the former only.
const (
	exitRefused = 1
	exitTaken   = 4
)

// Hashes reads those of the files that are there now. The path of the configuration is that with symbolic links, which may lead
// elsewhere than they did; that of the file of names is empty if there is to be none.
func (f Files) Hashes(ctx context.Context, configPath, namesPath string) (Hashes, error) {
	result, err := f.Session.Run(ctx, "hashes", nil, configPath, namesPath)
	if err != nil {
		return Hashes{}, err
	}
	lines := append(strings.Fields(string(result.Stdout)), "-", "-")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "-")
	}
	return Hashes{Config: lines[0], Names: lines[1]}, nil
}

// Stage puts a file beside the configuration and lets the program, which is HAProxy, check it. The file of names is put in its
// place only if there is none. The error is ErrTaken, a *RefusedError or an *UnwritableError, or that of the connection.
func (f Files) Stage(ctx context.Context, file cfg.File, program string) error {
	result, err := f.Session.Run(ctx, "stage", slices.Concat(file.Text, file.Names), f.Config, program, f.candidate(file),
		strconv.Itoa(len(file.Text)), file.NamesPath)
	switch {
	case err != nil:
		return err
	case result.Exit == exitRefused:
		return &RefusedError{Words: string(result.Stderr)}
	default:
		return judge(result)
	}
}

// candidate is where a file is staged. Its name says for which host of which owner, so that an attempt which finds a machine
// under two names takes nothing from the other; and then tells attempts apart, since one whose connection broke may still be
// at work.
func (f Files) candidate(file cfg.File) string {
	writer := sha256.Sum256([]byte(f.Owner + "\n" + f.Host))
	return f.Config + ".edgelb-new-" + hex.EncodeToString(writer[:8]) + file.SHA256()[:16]
}

// Commitment is what goes with a file that is put in its place.
type WriteOptions struct {
	// Backup keeps the former file for good, KeepFormer until the next change.
	Backup, KeepFormer bool
	// Expected is the SHA-256 that the former file must have; empty if there must be none.
	Expected string
	// Handover is what the next worker is to know of the servers.
	ServerState []byte
}

// Commit puts a staged file in the place of the configuration, with its file of names, and reads back that they are there. The
// error is ErrTaken or an *UnwritableError, or that of the connection.
func (f Files) Commit(ctx context.Context, file cfg.File, c WriteOptions) error {
	result, err := f.Session.Run(ctx, "commit", c.ServerState, f.Config, f.candidate(file), file.SHA256(),
		word(c.Backup, "backup"), word(c.KeepFormer, "former"), cmp.Or(c.Expected, "-"), file.NamesPath, file.NamesSHA256())
	if err != nil {
		return err
	}
	if err := judge(result); err != nil {
		return err
	}
	if got := strings.TrimSpace(string(result.Stdout)); got != strings.TrimSpace(file.SHA256()+"\n"+file.NamesSHA256()) {
		// Somebody else has written it since. It is theirs, and nothing of ours is left to be undone.
		return ErrTaken
	}
	return nil
}

// Save replaces the configuration by a file that differs from it in its servers only, and whose servers HAProxy has. The former
// file, which must have that SHA-256, is not kept. The error is ErrTaken or an *UnwritableError, or that of the connection.
func (f Files) Save(ctx context.Context, file cfg.File, former string) error {
	result, err := f.Session.Run(ctx, "save", file.Text, f.Config, f.candidate(file), former, file.SHA256())
	if err != nil {
		return err
	}
	if err := judge(result); err != nil {
		return err
	}
	if strings.TrimSpace(string(result.Stdout)) != file.SHA256() {
		// Somebody else has written it since.
		return ErrTaken
	}
	return nil
}

// Restore puts the former configuration back, with its file of names, or takes the present one away if there was none before.
// The error is an *UnwritableError or that of the connection.
func (f Files) Restore(ctx context.Context, existed bool) error {
	how := "none"
	if existed {
		how = "former"
	}
	result, err := f.Session.Run(ctx, "restore", nil, f.Config, how)
	if err != nil {
		return err
	}
	return judge(result)
}

// judge says what an exit status means.
func judge(result session.Result) error {
	switch result.Exit {
	case 0:
		return nil
	case exitTaken:
		return ErrTaken
	default:
		return &UnwritableError{Words: string(result.Stderr)}
	}
}

func word(when bool, word string) string {
	if when {
		return word
	}
	return "-"
}
