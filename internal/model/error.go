package model

// Error is a failure to bring a host to the wanted state. Message is a sentence for a person: what is wrong and what to do.
type Error struct {
	State   State
	Message string
	Cause   error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// Lost reports whether the connection to the host failed.
func (e *Error) Lost() bool { return e.State == Unreachable }
