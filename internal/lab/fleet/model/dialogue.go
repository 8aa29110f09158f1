package model

import (
	"bytes"
	"io"
	"strings"
)

// Dialogue is one connection to a socket of HAProxy: lines of commands with ";" between them, and the answers. Until
// somebody says `prompt`, it is over when the lines that have come are answered; the master's goes on until the other side ends.
type Dialogue struct {
	// answer says what HAProxy answers, and whether it closes the connection with that.
	answer func(command string) (text string, over bool)
	// prompt stands after every answer once it was asked for, in place of an empty line; greeting is the first one.
	prompt, greeting string
	// stays says that the connection outlives the answers.
	stays bool

	interactive bool
	commands    int
}

// Commands counts the commands so far.
func (d *Dialogue) Commands() int { return d.commands }

// Serve answers until one of the two sides has ended the dialogue.
func (d *Dialogue) Serve(conn io.ReadWriter) error {
	var pending []byte
	chunk := make([]byte, 4096)
	for {
		n, err := conn.Read(chunk)
		if err != nil {
			return err
		}
		pending = append(pending, chunk[:n]...)
		end := bytes.LastIndexByte(pending, '\n')
		if end < 0 {
			continue
		}
		answers, over := d.lines(string(pending[:end]))
		pending = append(pending[:0], pending[end+1:]...)
		if _, err := conn.Write(answers); err != nil {
			return err
		}
		if over || (!d.interactive && !d.stays) {
			return nil
		}
	}
}

// lines answers lines, in one piece.
func (d *Dialogue) lines(text string) (answers []byte, over bool) {
	for line := range strings.SplitSeq(text, "\n") {
		for command := range strings.SplitSeq(line, ";") {
			answer, over := d.command(strings.TrimSpace(command))
			if answers = append(answers, answer...); over {
				return answers, true
			}
		}
	}
	return answers, false
}

func (d *Dialogue) command(text string) (answer string, over bool) {
	d.commands++
	switch text {
	case "quit":
		if d.stays && d.interactive {
			return d.greeting, true
		}
		return "", true
	case "prompt":
		d.interactive = !d.interactive
		if !d.interactive {
			return "\n", false
		}
		return d.greeting, false
	}
	answer, over = d.answer(text)
	if over {
		return answer, true
	}
	if d.interactive {
		return answer + d.prompt, false
	}
	return answer + "\n", false
}
