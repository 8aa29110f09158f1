// Package install has hosts install HAProxy and keepalived from the packages of their distribution. It stands before the drivers: a sync that
// fails because a package is missing starts an installation, and the next syncs find it, and wait for its end.
//
// The installation is a job of the host, which needs no connection and goes on while the operator is away. Nothing here waits for it for more
// than some seconds, so that it keeps no other host waiting.
package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	haproxy "github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/host/failure"
	"github.com/edgelb/edgelb/internal/host/scripts"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/keepalived"
	keepaliveddriver "github.com/edgelb/edgelb/internal/keepalived/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// timeout bounds a call of the host. It starts a job and waits for it for 5 s at most.
const timeout = 20 * time.Second

// HAProxySync is a sync of HAProxy on a host.
type HAProxySync = func(context.Context, session.Conn, *haproxy.SyncCache, haproxy.Request) model.Outcome

// HAProxy returns a sync that has HAProxy installed where it is missing and may be installed.
func HAProxy(sync HAProxySync) HAProxySync {
	return func(ctx context.Context, conn session.Conn, cache *haproxy.SyncCache, req haproxy.Request) model.Outcome {
		outcome := sync(ctx, conn, cache, req)
		// A host that had HAProxy has lost it by somebody else's doing.
		left := req.Suspend || req.RuntimeOnly || req.ReportDrift && req.Proved != ""
		if left || len(req.Install) == 0 || !outcome.LacksPackage || outcome.State != model.Rejected {
			return outcome
		}
		is := ask(ctx, conn, req.Login, req.ConfigPath, req.Install)
		if is.done {
			return sync(ctx, conn, cache, req)
		}
		outcome.State, outcome.Message = is.state, is.message
		return outcome
	}
}

// KeepalivedSync is a sync of keepalived on a host.
type KeepalivedSync = func(context.Context, session.Conn, *keepaliveddriver.Cache, keepaliveddriver.Request) keepalived.Outcome

// Keepalived returns a sync that has keepalived installed where it is missing and may be installed.
func Keepalived(sync KeepalivedSync) KeepalivedSync {
	return func(ctx context.Context, conn session.Conn, cache *keepaliveddriver.Cache, req keepaliveddriver.Request) keepalived.Outcome {
		outcome := sync(ctx, conn, cache, req)
		if req.Suspend || len(req.Install) == 0 || !outcome.LacksPackage || outcome.State != model.Rejected {
			return outcome
		}
		is := ask(ctx, conn, req.Login, keepalived.ConfigPath, req.Install)
		if is.done {
			return sync(ctx, conn, cache, req)
		}
		outcome.State, outcome.Message = is.state, is.message
		return outcome
	}
}

// ask has the host install packages, or asks how far that is. path is a file that the account must be able to write.
func ask(ctx context.Context, conn session.Conn, login, path string, packages []string) progress {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer conn.Release()
	result, err := run(ctx, conn, login, path, packages)
	if err != nil {
		failed := failure.Of(err, login, path)
		return progress{state: failed.State, message: failed.Message}
	}
	return parse(result, packages)
}

// run runs the script as root. An account that may write HAProxy's files is not root for that.
func run(ctx context.Context, conn session.Conn, login, path string, packages []string) (session.Result, error) {
	job, err := scripts.Text("provision", "install-job")
	if err != nil {
		return session.Result{}, err
	}
	s, err := session.Open(ctx, conn, login, path)
	if err != nil {
		return session.Result{}, err
	}
	s.Elevated = login != "root"
	result, err := s.Run(ctx, "install", job, packages...)
	var notRun *session.NotRunError
	if s.Elevated && errors.As(err, &notRun) {
		return session.Result{}, &model.Error{State: model.Unauthorized, Cause: err, Message: fmt.Sprintf(
			"%s cannot install packages, since sudo refuses (%s): as root, put the line \"%s ALL=(root) NOPASSWD: /bin/sh\" into /etc/sudoers.d/edgelb on the host, or install %s there",
			login, cmp.Or(notRun.Words, "it says nothing"), login, strings.Join(packages, " and "))}
	}
	return result, err
}
