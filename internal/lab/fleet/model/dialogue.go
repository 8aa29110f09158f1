package model

import (
	"bytes"
	"io"
	"strings"
)

// Dialogue is one connection to a socket of HAProxy: lines of commands, separated by ";", and the answers. Unless the client
// sends `prompt`, it ends when the received lines are answered; the master's dialogue ends when the client closes it.
type Dialogue struct {
	// answer returns HAProxy's answer, and whether HAProxy closes the connection after it.
	answer func(command string) (text string, over bool)
	// prompt follows every answer instead of an empty line, once the client has requested it; greeting is the first one.
	prompt, greeting string
	// stays says that the connection stays open after the answers.
	stays bool

	interactive bool
	commands    int
}

// Commands returns the number of commands so far.
func (d *Dialogue) Commands() int { return d.commands }

// Serve answers until either side ends the dialogue.
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

// lines answers lines, with one combined answer.
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
