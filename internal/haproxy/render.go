package haproxy

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the template
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed templates/haproxy.cfg.tmpl
var bodyTemplate string

var body = template.Must(template.New("haproxy.cfg").Parse(bodyTemplate))

// File is a configuration file's text and its fingerprints, each 64 hexadecimal digits.
type File struct {
	Text []byte
	// Structure covers every line but the comments and the servers' names, addresses and ports. Files of one structure
	// differ in nothing but servers. The servers' options are part of it, and so is the Platform.
	Structure string
	// Whole covers Structure and the servers' names, addresses and ports. Owner, Host and Server.Node are
	// comments: no fingerprint covers them.
	Whole string
}

// SHA256 is the hash of the text, in hexadecimal digits, as sha256sum prints it.
func (f File) SHA256() string {
	sum := sha256.Sum256(f.Text)
	return hex.EncodeToString(sum[:])
}

// Render writes the file. It refuses a Config or Platform that is not valid, and one whose servers are not known yet
// (Backend.KeepServers).
//
// The structure's fingerprint is also the description of the process, so that the running HAProxy can be asked which
// file it has loaded.
func Render(c Config, p Platform) (File, error) {
	if err := errors.Join(c.Validate(), c.checkKnown(), p.Validate()); err != nil {
		return File{}, fmt.Errorf("cannot write this configuration: %w", err)
	}
	structure, err := structureOf(c, p)
	if err != nil {
		return File{}, err
	}
	header := Header{Owner: c.Owner, Host: c.Host, Structure: structure, Whole: wholeOf(c, structure)}
	if c.Idle() {
		header.Owner, header.Host = "", ""
	}
	text := bytes.NewBufferString(header.text())
	description, err := quote(descriptionPrefix + structure)
	if err != nil {
		return File{}, err
	}
	if err := body.Execute(text, newView(c, p, description, Backend.serverLines)); err != nil {
		return File{}, fmt.Errorf("write the configuration: %w", err)
	}
	return File{Text: text.Bytes(), Structure: structure, Whole: header.Whole}, nil
}

// checkKnown wants every backend's servers to be known.
func (c Config) checkKnown() error {
	var f faults
	for _, b := range c.Backends {
		if b.KeepServers {
			f.add("backend %s: it is to keep the host's servers, which were not put in", excerpt(b.Name))
		}
	}
	return errors.Join(f...)
}

// structureOf hashes the text with each backend's servers replaced by the options that they all have.
func structureOf(c Config, p Platform) (string, error) {
	hash := sha256.New()
	optionsOnly := func(b Backend) []string { return []string{b.ServerOptions()} }
	if err := body.Execute(hash, newView(c, p, "", optionsOnly)); err != nil {
		return "", fmt.Errorf("hash the configuration's structure: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func wholeOf(c Config, structure string) string {
	hash := sha256.New()
	_, _ = io.WriteString(hash, structure+"\n") // a hash takes every write
	for _, b := range c.Backends {
		for _, s := range b.Servers {
			_, _ = fmt.Fprintf(hash, "%s/%s %s\n", b.Name, s.Name, s.Endpoint())
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// ServerOptions are the keywords of every server of the backend, as they stand behind the address in the file. Each is
// spelled out: a server that is added at run time inherits nothing from the backend. Empty if there are none.
func (b Backend) ServerOptions() string {
	var words []string
	switch b.ProxyProtocol {
	case ProxyV1:
		words = append(words, "send-proxy", "check-send-proxy")
	case ProxyV2:
		words = append(words, "send-proxy-v2", "check-send-proxy")
	}
	if b.Check.Enabled() {
		words = append(words, fmt.Sprintf("check inter %s fall %d rise %d", duration(b.Check.Interval), b.Check.Fall, b.Check.Rise))
	}
	return strings.Join(words, " ")
}

// Endpoint is the server's address and port as HAProxy reads them: 192.0.2.1:80 or [2001:db8::1]:80.
func (s Server) Endpoint() string {
	return netip.AddrPortFrom(s.Addr, s.Port).String()
}

func (b Backend) serverLines() []string {
	options := b.ServerOptions()
	lines := make([]string, 0, len(b.Servers))
	for _, s := range b.Servers {
		line := s.Name + " " + s.Endpoint()
		if options != "" {
			line += " " + options
		}
		if s.Node != "" {
			line += " # on node " + s.Node
		}
		lines = append(lines, line)
	}
	return lines
}

// duration is a time in HAProxy's words, to the millisecond, in the largest unit that is exact.
func duration(d time.Duration) string {
	units := []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	d = d.Truncate(time.Millisecond)
	for _, u := range units {
		if d%u.length == 0 {
			return strconv.FormatInt(int64(d/u.length), 10) + u.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}
