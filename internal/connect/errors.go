package connect

import (
	"errors"

	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/privatekey"
	"github.com/edgelb/edgelb/internal/ssh/tcp"
)

// translate turns an error of the connection to a host into a *model.Error. It is the only table for that.
func translate(err error) error {
	if err == nil {
		return nil
	}
	return &model.Error{State: stateOf(err), Message: err.Error(), Cause: err}
}

func stateOf(err error) model.State {
	switch {
	case is[*privatekey.Error](err), is[*privatekey.CertificateError](err), is[*hostkeys.KnownHostsError](err):
		return model.Pending
	case is[*tcp.ForbiddenError](err):
		return model.Refused
	case is[*hostkeys.UntrustedError](err):
		return model.Untrusted
	case is[*failure.UnauthorizedError](err):
		return model.Unauthorized
	case is[*failure.ForwardingRefusedError](err), is[*failure.SignalError](err), is[*answer.LimitError](err):
		return model.Rejected
	default:
		return model.Unreachable
	}
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}
