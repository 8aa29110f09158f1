package answer

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/budget"
)

// account returns an account of a budget, and how much that holds.
func account() (*budget.Account, func() int) {
	shared := budget.New(1 << 20)
	return shared.Account(func(int) {}), shared.Used
}

// recorded is what overflow was called with.
type recorded struct{ err error }

func (r *recorded) overflow(err error) { r.err = err }

// require fails unless too much is reported, as an answer to the request.
func (r *recorded) require(t *testing.T, request string) {
	t.Helper()
	var tooMuch *LimitError
	if !errors.As(r.err, &tooMuch) || tooMuch.Limit.Of != request {
		t.Errorf("error %v, want a *LimitError for %s", r.err, request)
	}
}

func TestAnOutputIsTakenUpToItsLimitForBothTogether(t *testing.T) {
	t.Parallel()
	charged, used := account()
	var over recorded
	read := 0
	out := NewOutput(Limit{Bytes: 10, Of: "x"}, charged, func(n int) { read += n }, over.overflow)
	if _, err := out.Stdout().(io.ReaderFrom).ReadFrom(strings.NewReader("12345")); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(out.Stderr(), "67890")
	if stdout, stderr := out.Take(); string(stdout) != "12345" || string(stderr) != "67890" || over.err != nil {
		t.Errorf("%q and %q, error %v", stdout, stderr, over.err)
	}
	if read != 5 || used() != 10 {
		t.Errorf("%d bytes are reported and %d charged, want 5 and 10", read, used())
	}
	_, _ = io.WriteString(out.Stdout(), "late")
	if stdout, stderr := out.Take(); len(stdout)+len(stderr) > 0 {
		t.Errorf("%q and %q came after the output was taken", stdout, stderr)
	}
}

func TestNothingIsKeptOfAnOutputBeyondItsLimit(t *testing.T) {
	t.Parallel()
	charged, _ := account()
	var over recorded
	out := NewOutput(Limit{Bytes: 4, Of: "x"}, charged, func(int) {}, over.overflow)
	_, _ = io.WriteString(out.Stdout(), "1234")
	if n, err := io.WriteString(out.Stderr(), "5"); n != 1 || err != nil {
		t.Errorf("%d bytes, error %v; want that all are taken, so that the connection keeps none", n, err)
	}
	over.require(t, "x")
	if stdout, stderr := out.Take(); len(stdout)+len(stderr) > 0 {
		t.Errorf("%q and %q", stdout, stderr)
	}
}

func TestAnInboxEndsOnce(t *testing.T) {
	t.Parallel()
	cut, late := errors.New("cut"), errors.New("late")
	for name, test := range map[string]struct {
		end     func(*Inbox)
		want    string
		wantErr error
	}{
		"the host ends it":               {func(i *Inbox) { i.End(nil) }, "hello", nil},
		"the connection ends":            {func(i *Inbox) { i.End(cut) }, "hello", cut},
		"nobody wants it any more":       {func(i *Inbox) { i.Fail(cut) }, "", cut},
		"nobody wants it after its end":  {func(i *Inbox) { i.End(cut); i.Fail(late) }, "", cut},
		"it ends when nobody wants it":   {func(i *Inbox) { i.Fail(cut); i.End(nil) }, "", cut},
		"more comes than anybody wants":  {func(i *Inbox) { i.Fail(cut); _, _ = io.WriteString(i, "more") }, "", cut},
		"more comes than there may come": {func(i *Inbox) { i.End(cut); _, _ = io.WriteString(i, "more") }, "hello", cut},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			charged, used := account()
			inbox := NewInbox(charged, func(error) {})
			inbox.Expect(Limit{Bytes: 100, Of: "x"})
			_, _ = io.WriteString(inbox, "hello")
			test.end(inbox)
			if got, err := io.ReadAll(inbox); string(got) != test.want || !errors.Is(err, test.wantErr) {
				t.Errorf("%q, error %v; want %q, error %v", got, err, test.want, test.wantErr)
			}
			if used() != len("hello") {
				t.Errorf("%d bytes are charged, want those of hello", used())
			}
		})
	}
}

func TestAnInboxRefusesMoreThanIsExpected(t *testing.T) {
	t.Parallel()
	charged, _ := account()
	var over recorded
	inbox := NewInbox(charged, over.overflow)
	inbox.Expect(Limit{Bytes: 2, Of: "show info"})
	_, _ = io.WriteString(inbox, "12")
	inbox.Expect(Limit{Bytes: 2, Of: "show stat"})
	_, _ = io.WriteString(inbox, "34")
	half := make([]byte, 3)
	if _, err := io.ReadFull(inbox, half); err != nil || string(half) != "123" {
		t.Fatalf("%q, error %v", half, err)
	}
	_, _ = io.WriteString(inbox, "5")
	over.require(t, "show stat")
	var tooMuch *LimitError
	if got, err := io.ReadAll(inbox); len(got) > 0 || !errors.As(err, &tooMuch) {
		t.Errorf("%q, error %v; want a *LimitError and nothing else", got, err)
	}
}
