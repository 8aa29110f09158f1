// Package dialogue talks to the admin socket of HAProxy on a host over a connection that stays open.
package dialogue

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/host/session"
)

// linesAtOnce is how many lines are written before their answers are read. Commands of some KB have answers of a few bytes, and
// queries are below 1 KB and come after the commands, so that neither side blocks the other.
const linesAtOnce = 128

// Dialogue is a connection to HAProxy's admin socket that stays open: any number of lines cost one round trip. HAProxy closes
// it after two idle minutes ("stats timeout"), and when a replaced worker ends.
type Dialogue struct {
	stream  session.Stream
	replies *runtime.Replies
	// opened is false until the prompt was requested, which goes along with the first lines.
	opened bool
	end    context.CancelFunc
}

// Open opens a connection to the socket that outlives the context.
func Open(ctx context.Context, s *session.Session, socket string) (*Dialogue, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	defer stop()
	stream, err := s.Dial(life, socket, quiet)
	if err != nil {
		end()
		return nil, err
	}
	return &Dialogue{stream: stream, replies: runtime.NewReplies(stream), end: end}, nil
}

// quiet is the limit while no answer is expected.
var quiet = session.Limit{Bytes: 0, Of: "nothing, on HAProxy's admin socket"}

// Ask sends lines and returns the answer to each; together they have at most that many bytes. After an error the connection is closed.
func (d *Dialogue) Ask(ctx context.Context, lines []string, most int) ([]string, error) {
	stop := context.AfterFunc(ctx, d.Close)
	defer stop()
	d.stream.Expect(session.Limit{Bytes: most, Of: "questions on HAProxy's admin socket"})
	defer d.stream.Expect(quiet)
	if !d.opened {
		lines = append([]string{runtime.Prompt}, lines...)
	}
	answers := make([]string, 0, len(lines))
	for chunk := range slices.Chunk(lines, linesAtOnce) {
		if _, err := io.WriteString(d.stream, strings.Join(chunk, "\n")+"\n"); err != nil {
			return nil, d.broken(ctx, err)
		}
		for range chunk {
			answer, err := d.replies.Next(most)
			if err != nil {
				return nil, d.broken(ctx, err)
			}
			answers = append(answers, answer)
		}
	}
	if !d.opened {
		d.opened, answers = true, answers[1:]
	}
	return answers, nil
}

func (d *Dialogue) broken(ctx context.Context, err error) error {
	d.Close()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("the connection to HAProxy's admin socket broke: %w", err)
}

// Close closes the connection.
func (d *Dialogue) Close() {
	_ = d.stream.Close() // no written data is waited for
	d.end()
}

// Line is a Dialogue that is opened when it is needed, and opened again when HAProxy has closed it. The zero Line is closed.
type Line struct {
	dialogue *Dialogue
}

// Ask is Dialogue.Ask on the host's socket. If the open connection has ended, it opens a new one, once.
func (l *Line) Ask(ctx context.Context, s *session.Session, socket string, lines []string, most int) ([]string, error) {
	if l.dialogue != nil {
		if answers, err := l.dialogue.Ask(ctx, lines, most); err == nil || ctx.Err() != nil {
			return answers, err
		}
		l.Close()
	}
	opened, err := Open(ctx, s, socket)
	if err != nil {
		return nil, err
	}
	l.dialogue = opened
	return opened.Ask(ctx, lines, most)
}

// Close closes the connection, if there is one.
func (l *Line) Close() {
	if l.dialogue != nil {
		l.dialogue.Close()
	}
	l.dialogue = nil
}
