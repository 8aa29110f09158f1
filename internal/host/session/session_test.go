package session_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/edgelb/edgelb/internal/host/session"
)

// failure is an error that reports whether the connection is lost.
type failure bool

func (f failure) Error() string { return fmt.Sprintf("lost: %t", bool(f)) }

func (f failure) Lost() bool { return bool(f) }

func TestIsLostKnowsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":                    {nil, false},
		"another error":           {errors.New("no such file"), false},
		"a lost connection":       {failure(true), true},
		"another failure":         {failure(false), false},
		"a lost one, wrapped":     {fmt.Errorf("reading: %w", failure(true)), true},
		"a lost one, among other": {errors.Join(errors.New("no answer"), failure(true)), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := session.IsLost(test.err); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}
