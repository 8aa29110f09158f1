package driver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/facts"
	"github.com/edgelb/edgelb/internal/keepalived/plan"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// The exit statuses of scripts/keepalived-stage.sh, scripts/keepalived-commit.sh and scripts/keepalived-remove.sh.
const (
	exitRefused   = 1
	exitTaken     = 4
	exitUnchecked = 5
)

// prepare puts in place what keepalived needs besides its configuration.
func (h *host) prepare(ctx context.Context) error {
	result, err := h.session.Run(ctx, "keepalived-prepare", nil, keepalived.Folder, keepalived.ResultFolder, keepalived.ScriptUser,
		facts.MaintenanceWord(h.req.Maintenance))
	if err != nil {
		return err
	}
	if err := h.judge(result); err != nil {
		return err
	}
	return h.prepareCommands(ctx)
}

// prepareCommands puts in place what the commands of instances need, and removes what they need no longer.
func (h *host) prepareCommands(ctx context.Context) error {
	if !h.wanted().Notifies() && len(h.facts.Secrets) == 0 {
		return nil
	}
	files, left := h.wanted().SecretFiles()
	args, content := []string{keepalived.SecretsFolder, keepalived.NoticeFolder, keepalived.ScriptUser}, []byte(nil)
	for _, instance := range left {
		args = append(args, "- "+instance)
	}
	for _, file := range files {
		args, content = append(args, strconv.Itoa(len(file.Content))+" "+file.Name), append(content, file.Content...)
	}
	result, err := h.session.Run(ctx, "keepalived-secrets", content, args...)
	if err != nil {
		return err
	}
	return h.judge(result)
}

// stage puts the file beside the configuration, and has keepalived check it.
func (h *host) stage(ctx context.Context) error {
	args, content := []string{keepalived.ConfigPath, h.facts.Binary, h.candidate(), strconv.Itoa(len(h.file.Text))}, slices.Clone(h.file.Text)
	for _, script := range h.file.Scripts {
		args, content = append(args, strconv.Itoa(len(script.Text))+" "+script.Path), append(content, script.Text...)
	}
	result, err := h.session.Run(ctx, "keepalived-stage", content, args...)
	if err != nil {
		return err
	}
	words := sanitize.Line(strings.ReplaceAll(string(result.Stderr), h.candidate(), keepalived.ConfigPath), sanitize.Quote)
	switch result.Exit {
	case exitRefused:
		return h.rejected("keepalived refuses the configuration: " + words)
	case exitUnchecked:
		return h.rejected(fmt.Sprintf("keepalived %s ended while it checked the configuration (%s), as versions before 2.2.8 do unless the account may make a PID namespace: upgrade keepalived, or allow unshare --pid on the host",
			h.facts.Version, words))
	default:
		return h.judge(result)
	}
}

// candidate is the path of the staged file. Its name identifies host and owner, and the attempt, since one whose connection broke may still run.
func (h *host) candidate() string {
	writer := sha256.Sum256([]byte(h.config.Owner + "\n" + h.config.Host))
	return keepalived.ConfigPath + ".edgelb-new-" + hex.EncodeToString(writer[:8]) + h.file.SHA256()[:16]
}

// commit puts the staged file in place and reads it back.
func (h *host) commit(ctx context.Context, p plan.Plan) error {
	result, err := h.session.Run(ctx, "keepalived-commit", nil, keepalived.ConfigPath, h.candidate(), h.file.SHA256(),
		word(p.Backup, "backup"), word(p.KeepFormer, "former"), cmp.Or(h.facts.File.SHA256, "-"), keepalived.Folder)
	if err != nil {
		return err
	}
	if err := h.judge(result); err != nil {
		return err
	}
	if strings.TrimSpace(string(result.Stdout)) != h.file.SHA256() {
		return h.taken()
	}
	return nil
}

// remove takes everything of edgelb's from a host whose keepalived was stopped.
func (h *host) remove(ctx context.Context, left []facts.Address) error {
	args := []string{keepalived.ConfigPath, h.facts.File.SHA256, keepalived.Folder, keepalived.ResultFolder, keepalived.NoticeFolder}
	for _, address := range left {
		args = append(args, address.Interface+" "+address.Prefix.String())
	}
	result, err := h.session.Run(ctx, "keepalived-remove", nil, args...)
	if err != nil {
		return err
	}
	return h.judge(result)
}

// judge maps the exit status of a script that writes files to an error.
func (h *host) judge(result session.Result) error {
	switch result.Exit {
	case 0:
		return nil
	case exitTaken:
		return h.taken()
	default:
		return h.rejected(fmt.Sprintf("keepalived's files cannot be written (%s): make room on the host's disk, or let the account write %s",
			sanitize.Line(string(result.Stderr), sanitize.Quote), keepalived.ConfigPath))
	}
}

// taken says that another file is there than was observed. The next sync follows soon, and finds out whose it is.
func (h *host) taken() error {
	return h.rejected(fmt.Sprintf("somebody else changes %s at the same moment: leave it to one of both", keepalived.ConfigPath))
}

// rejected is a failure on a host on which keepalived goes on as before.
func (h *host) rejected(message string) *model.Error {
	if h.facts.Process != 0 && h.facts.Check.Fresh() {
		message += "; keepalived still runs its former configuration"
	}
	return &model.Error{State: model.Rejected, Message: message, Cause: errors.New(message)}
}

func word(when bool, word string) string {
	if when {
		return word
	}
	return "-"
}
