package runtime

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// mostInTests is the limit for answers whose length does not matter.
const mostInTests = 8 << 20

// allReplies reads answers to the end.
func allReplies(r io.Reader) (all []string, err error) {
	replies := NewReplies(r)
	for {
		reply, err := replies.Next(mostInTests)
		if err != nil {
			return all, err
		}
		all = append(all, reply)
	}
}

func TestRepliesAreSeparated(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("one line > of many\n", 20_000)
	for _, tc := range []struct {
		name, stream string
		want         []string
		end          error
	}{
		{"nothing", "", nil, io.EOF},
		{"the first prompt", "\n> ", []string{""}, io.EOF},
		{"several", "\n> New server registered.\n\n> \n> No such server.\n> ", []string{"", "New server registered.", "", "No such server."}, io.EOF},
		{"signs within", "\n> a > b\n>c\n>\n>> \n> ", []string{"", "a > b\n>c\n>\n>>"}, io.EOF},
		{"a long one", long + "\n> \n> ", []string{strings.TrimSpace(long), ""}, io.EOF},
		{"cut off", "\n> half", []string{""}, io.ErrUnexpectedEOF},
		{"cut off within the prompt", "\n> whole\n>", []string{""}, io.ErrUnexpectedEOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, stream := range []io.Reader{strings.NewReader(tc.stream), iotest.OneByteReader(strings.NewReader(tc.stream))} {
				if got, err := allReplies(stream); !slices.Equal(got, tc.want) || !errors.Is(err, tc.end) {
					t.Errorf("got %.200q, %v, want %.200q, %v", got, err, tc.want, tc.end)
				}
			}
		})
	}
}

// endless is an answer without an end.
type endless struct{}

func (endless) Read(to []byte) (int, error) {
	for i := range to {
		to[i] = 'a'
	}
	return len(to), nil
}

func TestAnEndlessReplyIsRefusedForGood(t *testing.T) {
	t.Parallel()
	replies := NewReplies(io.MultiReader(strings.NewReader("\n> "), io.LimitReader(endless{}, mostInTests+100_000), strings.NewReader("\n> fine\n> ")))
	if reply, err := replies.Next(mostInTests); reply != "" || err != nil {
		t.Fatalf("got %q, %v", reply, err)
	}
	for range 2 {
		if reply, err := replies.Next(mostInTests); reply != "" || err == nil || !strings.Contains(err.Error(), "longer than 8388608 bytes") {
			t.Errorf("got %q, %v", reply, err)
		}
	}
}
