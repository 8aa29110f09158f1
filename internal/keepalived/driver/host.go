package driver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/host/hold"

	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
	"github.com/edgelb/edgelb/internal/keepalived/facts"
	"github.com/edgelb/edgelb/internal/keepalived/plan"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// host is one host during one Sync or Look: the wanted configuration, and what was observed.
type host struct {
	req     Request
	cache   *Cache
	session *session.Session
	// facts are the last observation, and isObserved says that there was one.
	facts      facts.Facts
	isObserved bool
	// config is the wanted configuration, and file its text; empty if it is idle.
	config keepalived.Config
	file   cfg.File
}

const (
	// idle is the Fingerprint of a host that holds no virtual addresses, and from which all of edgelb's was removed.
	idle = "idle"
	// proofPatience is how long keepalived may take to run its check: for a start or a reload, and one run of the check, on a slow host.
	proofPatience = 15 * time.Second
	// settlePatience is how long the addresses of an instance may take to follow each other.
	settlePatience = 3 * time.Second
	// notifyPatience is how long a command may take to be started.
	notifyPatience = 3 * time.Second
	// pollInterval is the time between two observations of a host that is about to change.
	pollInterval = 150 * time.Millisecond
	// mostLooks is how many looks may follow each other before the files are read again. With one every 2 s, that is every 30 s.
	mostLooks = 14
)

// observe opens a session with root's rights and observes the host.
func (h *host) observe(ctx context.Context, conn session.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	if !h.cache.isOf(conn, h.req.Login) {
		opened, err := session.Open(ctx, conn, h.req.Login, keepalived.ConfigPath)
		if err != nil {
			return err
		}
		h.cache.session, h.cache.login = opened, h.req.Login
	}
	h.session = h.cache.session
	if err := h.read(ctx); err != nil {
		return err
	}
	if !h.facts.Root && !h.session.Elevated {
		// The account can write the files, and may not control keepalived.
		elevated := *h.session
		elevated.Elevated = true
		h.session, h.cache.session = &elevated, &elevated
		return h.read(ctx)
	}
	return nil
}

// look observes the host, at most times only what keepalived and the kernel change by themselves.
func (h *host) look(ctx context.Context, conn session.Conn) error {
	c := h.cache
	if !c.isOf(conn, h.req.Login) || c.facts == nil || c.looks >= mostLooks {
		return h.observe(ctx, conn)
	}
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	c.looks++
	h.session, h.facts = c.session, *c.facts
	return h.update(ctx)
}

// read observes the host once.
func (h *host) read(ctx context.Context) error {
	result, err := h.print(ctx, "all")
	if err != nil {
		return err
	}
	observed := facts.Parse(result.Stdout)
	h.cache.facts, h.cache.looks = &observed, 0
	return h.take(observed, result)
}

// update reads again what keepalived and the kernel change by themselves, and all if files have changed as well.
func (h *host) update(ctx context.Context) error {
	result, err := h.print(ctx, "state")
	if err != nil {
		return err
	}
	now, same := h.facts.Update(result.Stdout)
	if !same {
		return h.read(ctx)
	}
	return h.take(now, result)
}

// print runs the script that observes the host.
func (h *host) print(ctx context.Context, part string) (session.Result, error) {
	return h.session.Report(ctx, "keepalived-observe", keepalived.ConfigPath, keepalived.Folder, keepalived.ResultPath, keepalived.ScriptUser,
		keepalived.NoticeFolder, keepalived.NoticePrefix, part)
}

// take takes in what was observed.
func (h *host) take(observed facts.Facts, result session.Result) error {
	h.facts, h.isObserved = observed, true
	if len(observed.Links) == 0 {
		return &model.Error{State: model.Rejected, Message: fmt.Sprintf("the host does not show its interfaces with ip -o link (%s): install the package iproute2 on the host",
			sanitize.Line(string(result.Stderr), sanitize.Quote))}
	}
	return nil
}

// render writes the wanted configuration.
func (h *host) render() error {
	h.config = h.req.Config.Normalize()
	if h.config.Idle() {
		return nil
	}
	file, err := cfg.Render(h.config)
	if err != nil {
		return &model.Error{State: model.Rejected, Message: "keepalived's configuration cannot be written: " + err.Error(), Cause: err}
	}
	h.file = file
	return nil
}

// decide computes the plan. If all that is missing is the proof that keepalived runs the file, or a command, it waits for that: keepalived may
// be about to, and the host may be slow.
func (h *host) decide(ctx context.Context) (plan.Plan, error) {
	if err := h.render(); err != nil {
		return plan.Plan{}, err
	}
	p := plan.Compute(h.observed(), h.wanted())
	if !p.Unproved {
		return p, nil
	}
	patience, done := proofPatience, func() bool { return h.facts.Proves(h.file.Hash) }
	if p.Action == plan.Notify {
		patience, done = notifyPatience, func() bool { return plan.Compute(h.observed(), h.wanted()).Action != plan.Notify }
	}
	if err := h.await(ctx, patience, done); err != nil {
		return p, err
	}
	return plan.Compute(h.observed(), h.wanted()), nil
}

// await observes the host until it is as expected, at most for that long. The error is one of the connection only.
func (h *host) await(ctx context.Context, patience time.Duration, done func() bool) error {
	deadline := time.Now().Add(patience)
	for !done() && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval):
		}
		if err := h.update(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *host) observed() plan.Observed {
	return plan.Observed{Facts: h.facts, Previous: h.cache.previous}
}

func (h *host) wanted() plan.Wanted {
	return plan.Wanted{
		Config: h.config, File: h.file, Maintenance: h.req.Maintenance, Secrets: h.req.Secrets,
		Policy: hold.Policy{Adopt: h.req.Adopt, Suspend: h.req.Suspend, ReportDrift: h.req.ReportDrift},
	}
}

// fingerprint identifies the wanted configuration.
func (h *host) fingerprint() string {
	if h.config.Idle() {
		return idle
	}
	return h.file.Hash
}

// isProved reports whether the last observation matches the wanted configuration.
func (h *host) isProved() bool {
	if h.req.Config == nil {
		return false
	}
	return plan.Compute(h.observed(), h.wanted()).Action == plan.NoOp
}

// describe says what the host is for each instance of the configuration that it has, and how far the commands have come. The message says
// why it is in the role Fault for some, and why a command fails.
func (h *host) describe(outcome *Outcome) {
	config, hash := h.present()
	var reasons []string
	outcome.Roles, outcome.Notices = map[string]keepalived.Role{}, map[string]keepalived.Notice{}
	for _, instance := range config.Instances {
		role, why := h.facts.RoleOf(instance, hash)
		outcome.Roles[instance.Name] = role
		notice := h.notice(instance)
		if notice != (keepalived.Notice{}) {
			outcome.Notices[instance.Name] = notice
		}
		if why = both(why, notice.Trouble); why != "" {
			reasons = append(reasons, instance.Name+": "+why)
		}
	}
	outcome.Message = strings.Join(sanitize.First(reasons, 5), "; ")
}

// notice returns how far the command of an instance has come. Without its Secret it would fail sooner or later.
func (h *host) notice(instance keepalived.Instance) keepalived.Notice {
	secret := h.req.Secrets[instance.Name]
	notice := h.facts.NoticeOf(instance, secret.Files)
	if instance.Notify.Secret {
		notice.Trouble = both(secret.Trouble, notice.Trouble)
	}
	return notice
}

// present returns the configuration that keepalived, or else the host's file has, and its hash: the wanted one, or the one that was proved
// last.
func (h *host) present() (keepalived.Config, string) {
	has := func(hash string) bool {
		return hash != "" && (h.facts.Proves(hash) || h.facts.File.Header.Hash == hash)
	}
	switch {
	case has(h.file.Hash):
		return h.config, h.file.Hash
	case has(h.cache.previous.Hash):
		return h.cache.config, h.cache.previous.Hash
	default:
		return keepalived.Config{}, ""
	}
}
