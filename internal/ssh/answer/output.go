package answer

import (
	"bytes"
	"io"
	"sync"

	"github.com/edgelb/edgelb/internal/budget"
)

// Output is what a command writes to its outputs. Its limit is for both together.
type Output struct {
	limit   Limit
	account *budget.Account
	// report is called with how many bytes each read gave.
	report   func(n int)
	overflow func(error)

	mu sync.Mutex
	// closed says that further output is dropped.
	closed         bool
	stdout, stderr bytes.Buffer
}

// NewOutput returns an Output. Overflow is called with a *LimitError when more comes than the limit.
func NewOutput(limit Limit, account *budget.Account, report func(n int), overflow func(error)) *Output {
	account.Set(limit.Of, 0)
	return &Output{limit: limit, account: account, report: report, overflow: overflow}
}

// Stdout returns the writer for the command's stdout.
func (o *Output) Stdout() io.Writer { return outputWriter{o, &o.stdout} }

// Stderr returns the writer for the command's stderr.
func (o *Output) Stderr() io.Writer { return outputWriter{o, &o.stderr} }

// outputWriter is one of a command's outputs. It accepts all data: unread data in the SSH connection would take more
// memory.
type outputWriter struct {
	*Output
	to *bytes.Buffer
}

func (w outputWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
	case w.stdout.Len()+w.stderr.Len()+len(p) > w.limit.Bytes:
		w.close()
		w.overflow(&LimitError{w.limit})
	default:
		w.account.Add(w.limit.Of, len(p))
		w.to.Write(p)
	}
	return len(p), nil
}

// ReadFrom reads until the end. Answers are short: io.Copy's buffer would be most of the memory of a command.
func (w outputWriter) ReadFrom(r io.Reader) (n int64, err error) { return Copy(w, r, w.report) }

// close is called with the lock held.
func (o *Output) close() {
	o.closed, o.stdout, o.stderr = true, bytes.Buffer{}, bytes.Buffer{}
}

// Take returns the output. Later output is dropped.
func (o *Output) Take() (stdout, stderr []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	stdout, stderr = o.stdout.Bytes(), o.stderr.Bytes()
	o.close()
	return stdout, stderr
}
