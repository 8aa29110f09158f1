package files

import (
	"errors"
	"fmt"

	"github.com/edgelb/edgelb/internal/haproxy/driver/alerts"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Explain maps a file that HAProxy refuses, or that cannot be written at the path, to the state of the host. still is a sentence that says
// what serves now. It returns any other error as it is.
func Explain(err error, path, still string) error {
	var refused *RefusedError
	var unwritable *UnwritableError
	switch {
	case errors.As(err, &refused):
		return &model.Error{State: model.Rejected, Message: "HAProxy refuses the configuration: " + alerts.Of(refused.Words) + still}
	case errors.As(err, &unwritable):
		return &model.Error{State: model.Rejected, Message: fmt.Sprintf("%s cannot be written (%s): make room or fix its folder on the host%s",
			path, sanitize.Line(unwritable.Words, sanitize.Quote), still)}
	default:
		return err
	}
}
