package failure_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/host/failure"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/model"
)

func TestAnErrorMeansAStateAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   error
		state model.State
		want  string
	}{
		"a state already": {&model.Error{State: model.Rejected, Message: "it is full"}, model.Rejected, "it is full"},
		"no right": {
			&session.DeniedError{Words: "a password is required"}, model.Unauthorized, "edgelb may not write beside /etc/x/x.conf, and sudo refuses (a password is required)",
		},
		"no shell": {&session.NotRunError{Words: "This account is not available", Exit: 1}, model.Unauthorized, "edgelb cannot run /bin/sh on the host"},
		"a report that was cut": {
			&session.UnfinishedError{Script: "observe", Exit: 137}, model.Unreachable, "the script observe, which says what the host has, ended early with exit status 137 (it printed no error)",
		},
		"a lost link": {errors.New("EOF"), model.Unreachable, "the connection failed: EOF"},
	} {
		for _, err := range []error{test.err, fmt.Errorf("observe: %w", test.err)} {
			got := failure.Of(err, "edgelb", "/etc/x/x.conf")
			want := test.want
			if name == "a lost link" {
				want = "the connection failed: " + err.Error()
			}
			if got.State != test.state || !strings.Contains(got.Message, want) {
				t.Errorf("%s: %s %q, want %s %q", name, got.State, got.Message, test.state, want)
			}
		}
	}
}
