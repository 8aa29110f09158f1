package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rollout/conduct"
	"github.com/edgelb/edgelb/internal/secrets"
	"github.com/edgelb/edgelb/internal/status"
)

// Connector reaches hosts. Its methods are safe for concurrent use.
type Connector interface {
	// Connect returns a connection to the host, logged in with the login and the content of its Secret; the open one if it is still
	// valid. If there is none, the error is ErrConnecting: Signals.Dialled reports when to ask again. Any other error is a
	// *model.Error; the state Pending means that the Secret is invalid.
	Connect(key model.HostID, login desired.Login, secret map[string][]byte) (driver.Conn, error)
	// Former returns the connection to the host that is still open although Connect fails; nil if there is none to the account of
	// the login, or if the host's key is no longer allowed by the login or the content of its Secret.
	Former(key model.HostID, login desired.Login, secret map[string][]byte) driver.Conn
	// Certificate returns when the SSH certificate in the content of a Secret is valid; the zero value if it has none that can be used.
	Certificate(login desired.Login, secret map[string][]byte) model.Validity
	// Forget closes the connection to a host that is no longer wanted.
	Forget(key model.HostID)
}

// ErrConnecting means that a connection to a host is being made.
var ErrConnecting = errors.New("the host is being connected to")

// SyncFunc brings a host to the wanted state over a connection: driver.Sync.
type SyncFunc func(ctx context.Context, conn driver.Conn, cache *driver.SyncCache, request driver.Request) model.Outcome

// hostTask is a task, and what running it needs.
type hostTask struct {
	*record.Task
	// secretVersion is that of the Secret that logs in to the host, and rules are those of its namespace.
	secretVersion string
	rules         policy.Rules
	// proved is the fingerprint that the host was last proved to run; empty if unknown.
	proved string
	// cache is what package driver caches of the host.
	cache *driver.SyncCache
	// certificate is when the SSH certificate in the Secret is valid.
	certificate model.Validity
}

// attempt is a task that was run.
type attempt struct {
	record.Attempt
	// connect is the time that it took to reach the host.
	connect time.Duration
}

// prepare returns a task with what running it needs, and identifies its inputs. known is the record of the host; the zero one for an
// owner that the host does not belong to.
func (r *hostReconciler) prepare(
	ctx context.Context, seen observed, known record.Host, task *record.Task, cache *driver.SyncCache,
) (*hostTask, error) {
	secret := task.Host.Login.Secret
	version, err := r.secrets.Version(ctx, secret)
	if err != nil {
		return nil, err
	}
	rules := seen.snapshot.RulesOf(secret.Namespace)
	task.Inputs = record.InputsOf(task, version, rules.Version)
	return &hostTask{Task: task, secretVersion: version, rules: rules, proved: proved(seen, known), cache: cache}, nil
}

// proved returns the fingerprint that the host was last proved to run: by this operator, or by the one before.
func proved(seen observed, known record.Host) string {
	if !known.ProvedAt.IsZero() {
		return known.Fingerprint
	}
	return status.ProvedBefore(seen.snapshot.Objects, seen.key)
}

// run runs a task. It returns nil while the host is being connected to, and after the shutdown of the operator has interrupted the
// attempt, which then says nothing about the host. The error is one of the API server; failures of the host are in the outcome.
func (r *hostReconciler) run(ctx context.Context, task *hostTask) (*attempt, error) {
	began := r.now()
	conn, failed, err := r.reach(ctx, task)
	connect := r.now().Sub(began)
	switch {
	case errors.Is(err, ErrConnecting):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if failed == nil {
		tried, err := r.conductor.Run(ctx, task.Task, func(now *record.Task, how conduct.How) model.Outcome {
			return r.sync(ctx, conn, task.cache, r.requestOf(ctx, task, now, how))
		})
		if err != nil {
			return nil, err
		}
		failed = &tried
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	failed.Certificate = task.certificate
	return &attempt{Attempt: *failed, connect: connect}, nil
}

// requestOf returns the request to package driver for a task, or for what its roll-outs make of it now.
func (r *hostReconciler) requestOf(ctx context.Context, task *hostTask, now *record.Task, how conduct.How) driver.Request {
	host := &now.Host
	namespace := host.Login.Secret.Namespace
	return driver.Request{
		Config:        host.Config,
		Login:         host.Login.User,
		ConfigPath:    host.ConfigPath,
		ReloadCommand: host.ReloadCommand,
		Adopt:         host.Adopt,
		NoAdopt:       host.NoAdopt,
		Install:       now.Packages(),
		Suspend:       host.Suspend,
		RuntimeOnly:   now.RuntimeOnly,
		Keep:          how.Keep,
		Recalled:      how.Recalled,
		Back:          how.Back,
		Watch:         how.Watch,
		DrainTimeouts: host.DrainTimeouts,
		ReportDrift:   host.ReportDrift,
		Proved:        task.proved,
		Wants:         index.Wants(ctx, r.Here, namespace),
		SavePlace:     func() (func(), bool) { return r.savePlace(task.Host.Key, namespace) },
	}
}

// savePlace returns a place to write a host's file, whose release queues the host, if the namespace has one left.
func (r *hostReconciler) savePlace(key model.HostID, namespace string) (release func(), ok bool) {
	if !r.places.StartSave(key, namespace) {
		return nil, false
	}
	return func() {
		r.places.EndSave(key)
		r.hostEvents.Add(key)
	}, true
}

// reach returns a connection to the host of a task, logged in with its Secret, or the attempt that has failed. The error is
// ErrConnecting while there is neither, or one of the API server.
func (r *hostReconciler) reach(ctx context.Context, task *hostTask) (driver.Conn, *record.Attempt, error) {
	name, limit := task.Host.Login.Secret, task.rules.Limits.SecretBytes
	content, err := r.secrets.Load(ctx, name, task.secretVersion, limit.Most)
	switch {
	case err != nil:
		return nil, nil, err
	case content.TooLarge:
		return nil, &record.Attempt{Task: task.Task, Reason: v1alpha1.ReasonPolicyViolation, Outcome: secretTooLarge(name, limit)}, nil
	case content.Version == "" && len(task.Objects) == 0:
		// A namespace that is deleted loses its Secrets before its hosts could be cleaned.
		content, _ = r.secrets.Last(name)
	}
	task.certificate = r.connector.Certificate(task.Host.Login, content.Data)
	return r.connect(task, content)
}

// connect returns a connection to the host, or the attempt that has failed. The error is ErrConnecting while there is neither. If a
// new login fails, the previous connection is still open: what needs only a connection continues, which is updates of running
// servers, and the removal from a host.
func (r *hostReconciler) connect(task *hostTask, content secrets.Secret) (driver.Conn, *record.Attempt, error) {
	host := &task.Host
	login := host.Login
	login.Reach = task.rules.Hosts
	if found := login.Reach.CheckBehind(host.Key.JumpAddress(), host.Key.Address); found != nil {
		r.disconnect(task.Host.Key)
		return nil, &record.Attempt{Task: task.Task, Reason: v1alpha1.ReasonPolicyViolation, Outcome: forbidden(found)}, nil
	}
	previous := func() driver.Conn { return r.connector.Former(host.Key, login, content.Data) }
	if task.RuntimeOnly {
		if conn := previous(); conn != nil {
			return conn, nil, nil
		}
	}
	failed := &record.Attempt{Task: task.Task, Reason: v1alpha1.ReasonSecretNotFound, Outcome: secretMissing(host.Login.Secret)}
	if content.Version != "" {
		conn, err := r.connector.Connect(host.Key, login, content.Data)
		if err == nil || errors.Is(err, ErrConnecting) {
			return conn, nil, err
		}
		failed = &record.Attempt{Task: task.Task, Reason: reasonOf(err), Outcome: outcomeOf(err)}
	}
	switch conn := previous(); {
	case conn == nil:
	case len(task.Objects) == 0:
		return conn, nil, nil
	default:
		failed.Outcome.Live = true
		failed.Outcome.Message += ". Until then endpoints follow over the connection that is open, and nothing else is changed"
	}
	return nil, failed, nil
}

// forbidden returns the outcome of a host that must not be dialled.
func forbidden(found *policy.Violation) model.Outcome {
	return model.Outcome{State: model.Refused, Message: "the host is left alone as it is: " + found.Error()}
}

func secretMissing(name types.NamespacedName) model.Outcome {
	return model.Outcome{State: model.Pending, Message: fmt.Sprintf(
		"Secret %s does not exist: create it with the keys ssh-privatekey and known_hosts", name)}
}

func secretTooLarge(name types.NamespacedName, limit policy.Limit) model.Outcome {
	return model.Outcome{State: model.Pending, Message: fmt.Sprintf("Secret %s is not used: %v", name, limit.Exceeded())}
}

func outcomeOf(err error) model.Outcome {
	var failure *model.Error
	if errors.As(err, &failure) {
		return model.Outcome{State: failure.State, Message: failure.Message}
	}
	return model.Outcome{State: model.Unreachable, Message: err.Error()}
}

func reasonOf(err error) string {
	switch outcomeOf(err).State {
	case model.Pending:
		return v1alpha1.ReasonSecretInvalid
	case model.Refused:
		return v1alpha1.ReasonPolicyViolation
	default:
		return ""
	}
}
