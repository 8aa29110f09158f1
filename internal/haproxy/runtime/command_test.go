package runtime

import (
	"errors"
	"testing"
)

func TestCommandsAreOneLine(t *testing.T) {
	t.Parallel()
	for want, command := range map[string]Command{
		"set server be/web-0 state ready": SetServerState{Backend: "be", Server: "web-0", Mode: Ready},
		"set server be/web-0 state drain": SetServerState{Backend: "be", Server: "web-0", Mode: Drain},
		"set server be/web-0 state maint": SetServerState{Backend: "be", Server: "web-0", Mode: Maintenance},
		"set server be/web-0 weight 0":    SetServerWeight{Backend: "be", Server: "web-0"},
		"set server be/web-0 weight 256":  SetServerWeight{Backend: "be", Server: "web-0", Weight: 256},
	} {
		if got := command.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOnlySilenceIsSuccess(t *testing.T) {
	t.Parallel()
	for _, command := range []Command{SetServerState{}, SetServerWeight{}} {
		for _, silence := range []string{"", "\n", "\n\n"} {
			if err := command.Check([]byte(silence)); err != nil {
				t.Errorf("%q: got %v", silence, err)
			}
		}
		for answer, want := range map[string]string{
			"No such server.\n\n":      "No such server.",
			"Permission denied\n":      "Permission denied",
			"Unknown command.\nhelp\n": "Unknown command.\nhelp",
		} {
			var refused *AnswerError
			if err := command.Check([]byte(answer)); !errors.As(err, &refused) || refused.Answer != want || refused.Command != command {
				t.Errorf("%q: got %v", answer, err)
			}
		}
	}
}

func TestAnAnswerErrorNamesTheCommandAndTheAnswer(t *testing.T) {
	t.Parallel()
	err := SetServerWeight{Backend: "be", Server: "s", Weight: 300}.Check([]byte("Absolute weight can only be between 0 and 256 inclusive.\n"))
	want := `HAProxy answered "Absolute weight can only be between 0 and 256 inclusive." to "set server be/s weight 300"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
