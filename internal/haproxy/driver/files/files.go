// Package files writes a host's configuration and its map file, and restores the previous ones.
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

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/host/session"
)

// Files are the files of one host.
type Files struct {
	Session *session.Session
	// Config is the path of the configuration, with symbolic links resolved.
	Config string
	// Owner and Host identify the writer: for which host of which owner.
	Owner, Host string
}

// Hashes are the SHA-256 of the configuration and of its map file, in hexadecimal digits; empty if there is no such file.
type Hashes struct{ Config, Names string }

// HashesOf returns the hashes of a file and of its map file.
func HashesOf(f cfg.File) Hashes { return Hashes{Config: f.SHA256(), Names: f.NamesSHA256()} }

// ErrTaken says that somebody else changes the files: the previous file is not the expected one, or the candidate is gone.
var ErrTaken = errors.New("somebody else changes the file at the same moment")

// RefusedError says that HAProxy refuses a file.
type RefusedError struct {
	// Words are HAProxy's output.
	Words string
}

func (e *RefusedError) Error() string { return "HAProxy refuses the configuration: " + e.Words }

// UnwritableError says that a file could not be put in place.
type UnwritableError struct {
	// Words are the output of the host.
	Words string
}

func (e *UnwritableError) Error() string { return "the configuration cannot be written: " + e.Words }

// The exit statuses of scripts/stage.sh, scripts/commit.sh and scripts/save.sh. exitRefused applies to stage.sh only.
const (
	exitRefused = 1
	exitTaken   = 4
)

// Hashes reads the hashes of the present files. configPath is the path before symbolic links are resolved, since they may lead
// elsewhere by now. namesPath is empty if there must be no map file.
func (f Files) Hashes(ctx context.Context, configPath, namesPath string) (Hashes, error) {
	result, err := f.Session.Report(ctx, "hashes", configPath, namesPath)
	if err != nil {
		return Hashes{}, err
	}
	lines := append(strings.Fields(string(result.Stdout)), "-", "-")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "-")
	}
	return Hashes{Config: lines[0], Names: lines[1]}, nil
}

// Stage puts a file beside the configuration and checks it with the program, which is HAProxy. It puts the map file in place
// only if there is none. The error is ErrTaken, a *RefusedError, an *UnwritableError, or a connection error.
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

// candidate is the path of a staged file. Its name identifies host and owner, so that an attempt that reaches one machine under
// two names does not remove the other's candidate. It also identifies the attempt, since an attempt whose connection broke may
// still run.
func (f Files) candidate(file cfg.File) string {
	writer := sha256.Sum256([]byte(f.Owner + "\n" + f.Host))
	return f.Config + ".edgelb-new-" + hex.EncodeToString(writer[:8]) + file.SHA256()[:16]
}

// WriteOptions are the options of Commit.
type WriteOptions struct {
	// Backup keeps the previous file for good, KeepFormer until the next change.
	Backup, KeepFormer bool
	// Expected is the SHA-256 that the previous file must have; empty if there must be none.
	Expected string
	// ServerState is what the next worker loads about the servers.
	ServerState []byte
}

// Commit replaces the configuration with a staged file, and its map file, and reads both back. The error is ErrTaken, an
// *UnwritableError, or a connection error.
func (f Files) Commit(ctx context.Context, file cfg.File, o WriteOptions) error {
	result, err := f.Session.Run(ctx, "commit", o.ServerState, f.Config, f.candidate(file), file.SHA256(),
		word(o.Backup, "backup"), word(o.KeepFormer, "former"), cmp.Or(o.Expected, "-"), file.NamesPath, file.NamesSHA256())
	if err != nil {
		return err
	}
	return confirm(result, file.SHA256(), file.NamesSHA256())
}

// Save replaces the configuration by a file that differs from it in its servers only, and the map file if that differs. HAProxy must
// already run those servers and entries. The previous configuration, which must have that hash, is not kept. The error is ErrTaken, an
// *UnwritableError, or a connection error.
func (f Files) Save(ctx context.Context, file cfg.File, previous Hashes) error {
	payload, mapPath, mapSum := file.Text, "", ""
	if file.NamesSHA256() != previous.Names {
		payload, mapPath, mapSum = slices.Concat(file.Text, file.Names), file.NamesPath, file.NamesSHA256()
	}
	result, err := f.Session.Run(ctx, "save", payload, f.Config, f.candidate(file), previous.Config, file.SHA256(),
		strconv.Itoa(len(file.Text)), mapPath, mapSum)
	if err != nil {
		return err
	}
	return confirm(result, file.SHA256(), mapSum)
}

// Restore restores the previous configuration with its map file, or removes the present one if there was none before. The error
// is an *UnwritableError or a connection error.
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

// judge maps an exit status to an error.
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

// confirm checks that a script has written the files and read those hashes back; the second one is empty if it wrote no map file.
func confirm(result session.Result, config, names string) error {
	if err := judge(result); err != nil {
		return err
	}
	if strings.TrimSpace(string(result.Stdout)) != strings.TrimSpace(config+"\n"+names) {
		// Somebody else has written them since. They are theirs, and there is nothing of ours to roll back.
		return ErrTaken
	}
	return nil
}

func word(when bool, word string) string {
	if when {
		return word
	}
	return "-"
}
