package runtime

import (
	"fmt"
	"strconv"
	"strings"
)

// Command is one command for a worker's socket.
type Command interface {
	// String is the command's one line, without its end.
	String() string
	// Check says whether an answer means that the command was carried out: nil, or a *AnswerError.
	Check(answer []byte) error
}

// AnswerError is the answer of a HAProxy that did not do what it was told.
type AnswerError struct {
	Command Command
	// Answer is HAProxy's own text, without blank lines around it.
	Answer string
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("HAProxy answered %s to %q", excerpt(e.Answer), e.Command.String())
}

// Mode is what is wanted of a server, in HAProxy's word for it.
type Mode string

// The modes: Ready takes connections, Drain only keeps those that it has, Maintenance is out of service and unchecked.
const (
	Ready       Mode = "ready"
	Drain       Mode = "drain"
	Maintenance Mode = "maint"
)

// SetServerState sets a server's mode. Backend and Server are names that haproxy.ValidName accepts.
type SetServerState struct {
	Backend, Server string
	Mode            Mode
}

func (c SetServerState) String() string {
	return "set server " + c.Backend + "/" + c.Server + " state " + string(c.Mode)
}

// Check implements Command.
func (c SetServerState) Check(answer []byte) error { return wantSilence(c, answer) }

// SetServerWeight sets a server's weight, from 0 to 256. Backend and Server are names that haproxy.ValidName accepts.
type SetServerWeight struct {
	Backend, Server string
	Weight          int
}

func (c SetServerWeight) String() string {
	return "set server " + c.Backend + "/" + c.Server + " weight " + strconv.Itoa(c.Weight)
}

// Check implements Command.
func (c SetServerWeight) Check(answer []byte) error { return wantSilence(c, answer) }

// wantSilence is for commands that succeed without a word.
func wantSilence(c Command, answer []byte) error {
	if text := strings.TrimSpace(string(answer)); text != "" {
		return &AnswerError{Command: c, Answer: text}
	}
	return nil
}
