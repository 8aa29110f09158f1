package haproxy

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the template
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"text/template"
	"time"
)

//go:embed templates/haproxy.cfg.tmpl
var bodyTemplate string

var body = template.Must(template.New("haproxy.cfg").Parse(bodyTemplate))

// File is a configuration file's text and its fingerprints, each 64 hexadecimal digits.
type File struct {
	Text []byte
	// Structure covers every line but the comments and the servers' names, addresses, ports and weights. Files of one
	// structure differ in nothing but servers. The servers' options are part of it, and so is the Platform.
	Structure string
	// Whole covers Structure and the servers' names, addresses, ports and weights; their ids follow from the names. Owner,
	// Host and Server.Node are comments: no fingerprint covers them.
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
	structure, whole, err := Fingerprints(c, p)
	if err != nil {
		return File{}, err
	}
	header := Header{Owner: c.Owner, Host: c.Host, Structure: structure, Whole: whole}
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
	return File{Text: text.Bytes(), Structure: structure, Whole: whole}, nil
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
