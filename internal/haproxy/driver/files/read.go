package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Read reads back the present configuration, or the previous one if that was kept, with its structure hash. The error says why it is not
// known; it may be a connection error.
func (f Files) Read(ctx context.Context, previous bool, platform cfg.Platform) (haproxy.Config, string, error) {
	path := f.Config
	if previous {
		path += ".edgelb-former"
	}
	result, err := f.Session.Run(ctx, "print", nil, path, platform.NamesPrefix)
	switch {
	case err != nil:
		return haproxy.Config{}, "", err
	case result.Exit != 0:
		return haproxy.Config{}, "", fmt.Errorf("%s cannot be read: %s", path, sanitize.Line(string(result.Stderr), sanitize.Quote))
	}
	text, names, err := split(result.Stdout)
	if err != nil {
		return haproxy.Config{}, "", err
	}
	return cfg.Parse(text, names, platform)
}

// split returns the two files in the output of scripts/print.sh.
func split(output []byte) (text, names []byte, err error) {
	line, files, _ := bytes.Cut(output, []byte("\n"))
	size, err := strconv.Atoi(string(line))
	if err != nil || size < 0 || size > len(files) {
		return nil, nil, errors.New("the file has changed while it was read")
	}
	return files[:size], files[size:], nil
}
