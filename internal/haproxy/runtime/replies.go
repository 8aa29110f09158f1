package runtime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Prompt begins a dialogue: HAProxy then reads one command after the other, and ends each answer with a newline and "> ",
// including the empty answer to Prompt itself. Several lines may be sent at once; HAProxy answers them in order.
const Prompt = "prompt"

// replyBuffer is the size, in bytes, of the buffer of each dialogue; thousands may be open.
const replyBuffer = 1 << 10

// Replies reads the answers of a dialogue that Prompt began.
type Replies struct {
	reader *bufio.Reader
	// err ended the reading: what follows cannot be told apart from the rest of the answer before it.
	err error
}

// NewReplies reads answers from a socket.
func NewReplies(r io.Reader) *Replies {
	return &Replies{reader: bufio.NewReaderSize(r, replyBuffer)}
}

// Next returns the next answer, without the blank lines around it. An answer of more than most bytes is an error. The error
// is io.EOF if HAProxy ended the dialogue after an answer, and io.ErrUnexpectedEOF if it did so within one. No answer
// follows an error.
func (r *Replies) Next(most int) (string, error) {
	if r.err != nil {
		return "", r.err
	}
	reply, err := r.untilPrompt(most)
	if err != nil {
		r.err = fmt.Errorf("read HAProxy's answer: %w", err)
		return "", r.err
	}
	return strings.TrimSpace(string(reply)), nil
}

// untilPrompt reads up to the end of an answer, which it cuts off.
func (r *Replies) untilPrompt(most int) ([]byte, error) {
	var reply []byte
	for {
		part, err := r.reader.ReadSlice('>')
		reply = append(reply, part...)
		switch {
		case len(reply) > most:
			return nil, fmt.Errorf("it is longer than %d bytes", most)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(reply) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		if text, found := bytes.CutSuffix(reply, []byte("\n>")); found && r.skipBlank() {
			return text, nil
		}
	}
}

// skipBlank reads the next byte if it is a blank.
func (r *Replies) skipBlank() bool {
	next, err := r.reader.Peek(1)
	if err != nil || next[0] != ' ' {
		return false
	}
	_, err = r.reader.Discard(1)
	return err == nil
}
