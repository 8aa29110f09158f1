// Package failure says what an error that ended the work on a host means for the host's state. It is pure.
package failure

import (
	"errors"

	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/model"
)

// Of maps an error to a state of the host. login is the account that logged in, and path the file that it must be able to write.
func Of(err error, login, path string) *model.Error {
	var known *model.Error
	var denied *session.DeniedError
	var notRun *session.NotRunError
	var unfinished *session.UnfinishedError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &denied):
		return &model.Error{State: model.Unauthorized, Cause: err, Message: denied.Explain(login, path)}
	case errors.As(err, &notRun):
		return &model.Error{State: model.Unauthorized, Cause: err, Message: notRun.Explain(login)}
	case errors.As(err, &unfinished):
		return &model.Error{State: model.Unreachable, Cause: err, Message: unfinished.Error()}
	default:
		return &model.Error{State: model.Unreachable, Cause: err, Message: "the connection failed: " + err.Error()}
	}
}
