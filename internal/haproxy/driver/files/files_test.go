package files_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver/files"
	"github.com/edgelb/edgelb/internal/host/session"
)

// answering is a connection on which every script ends in the same way. The tests of package driver run the real scripts.
type answering struct {
	session.Conn
	result session.Result
	err    error
	// input is what the last script was given.
	input string
}

func (a *answering) Run(_ context.Context, _ string, input []byte, _ session.Limit) (session.Result, error) {
	a.input = string(input)
	// The script's own output comes after the marker, which is the first word of the input.
	marker, _, _ := strings.Cut(a.input, " ")
	result := a.result
	result.Stdout = append([]byte("Welcome\n"+marker+"\n"), result.Stdout...)
	result.Stderr = append([]byte("Welcome\n"+marker+"\n"), result.Stderr...)
	return result, a.err
}

func on(conn *answering) files.Files {
	return files.Files{Session: &session.Session{Conn: conn}, Config: "/etc/haproxy/haproxy.cfg", Owner: "c/ns", Host: "gw1:22"}
}

func file() cfg.File {
	return cfg.File{Text: []byte("global\n"), NamesPath: "/etc/haproxy/names", Names: []byte("in/a b\n")}
}

func TestExitStatusesMapToErrors(t *testing.T) {
	t.Parallel()
	var refused *files.RefusedError
	var unwritable *files.UnwritableError
	sums := file().SHA256() + "\n" + file().NamesSHA256() + "\n"
	for name, test := range map[string]struct {
		result                 session.Result
		stage, commit, restore func(error) bool
	}{
		"good": {session.Result{Stdout: []byte(sums)}, isNil, isNil, isNil},
		"a failure": {session.Result{Exit: 1, Stderr: []byte("words")},
			func(err error) bool { return errors.As(err, &refused) && refused.Words == "words" },
			func(err error) bool { return errors.As(err, &unwritable) && unwritable.Words == "words" },
			func(err error) bool { return errors.As(err, &unwritable) }},
		"no room": {session.Result{Exit: 3, Stderr: []byte("no space left")},
			func(err error) bool {
				return errors.As(err, &unwritable) && strings.Contains(err.Error(), "no space left")
			},
			func(err error) bool { return errors.As(err, &unwritable) },
			func(err error) bool { return errors.As(err, &unwritable) }},
		"somebody else":             {session.Result{Exit: 4}, isTaken, isTaken, isTaken},
		"other names are read back": {session.Result{Stdout: []byte(file().SHA256() + "\n" + file().SHA256())}, isNil, isTaken, isNil},
		"no names are read back":    {session.Result{Stdout: []byte(file().SHA256() + "\n")}, isNil, isTaken, isNil},
	} {
		conn := on(&answering{result: test.result})
		if err := conn.Stage(t.Context(), file(), "/usr/sbin/haproxy"); !test.stage(err) {
			t.Errorf("%s: stage: got %v", name, err)
		}
		if err := conn.Commit(t.Context(), file(), files.WriteOptions{}); !test.commit(err) {
			t.Errorf("%s: commit: got %v", name, err)
		}
		if err := conn.Restore(t.Context(), true); !test.restore(err) {
			t.Errorf("%s: restore: got %v", name, err)
		}
	}
}

func isNil(err error) bool { return err == nil }

func isTaken(err error) bool { return errors.Is(err, files.ErrTaken) }

func TestTheErrorOfAConnectionIsPassedOn(t *testing.T) {
	t.Parallel()
	conn := on(&answering{err: io.ErrUnexpectedEOF})
	_, hashesErr := conn.Hashes(t.Context(), "/etc/haproxy/haproxy.cfg", "")
	for _, err := range []error{
		hashesErr, conn.Stage(t.Context(), file(), ""), conn.Commit(t.Context(), file(), files.WriteOptions{}), conn.Restore(t.Context(), false),
	} {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	}
}

func TestHashesAreThoseOfTheFilesThatAreThere(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]files.Hashes{
		"0a\n1b\n": {Config: "0a", Names: "1b"}, "0a\n-\n": {Config: "0a"}, "-\n1b\n": {Names: "1b"}, "-\n-\n": {}, "": {},
	} {
		got, err := on(&answering{result: session.Result{Stdout: []byte(output)}}).Hashes(t.Context(), "/etc/haproxy/haproxy.cfg", "/etc/haproxy/names")
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", output, got, err, want)
		}
	}
}

func TestAFileIsSentWithItsMapFile(t *testing.T) {
	t.Parallel()
	conn := &answering{}
	if err := on(conn).Stage(t.Context(), file(), "/usr/sbin/haproxy"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" 5 14\n/etc/haproxy/haproxy.cfg\n/usr/sbin/haproxy\n", "\n7\n/etc/haproxy/names\n#!/bin/sh\n", "#end of script\nglobal\nin/a b\n"} {
		if !strings.Contains(conn.input, want) {
			t.Errorf("the script is given %q, want %q in it", conn.input, want)
		}
	}
}
