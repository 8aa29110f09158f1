// Package cfg is the text of haproxy.cfg: how a Config is written for a Platform, the fingerprints that its meaning has, and
// the header by which the file is known again. The words of servers are also those of the command that adds one at run time.
// Like the model it is pure.
package cfg

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"text/template"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
)

//go:embed templates
var templates embed.FS

var body = template.Must(template.ParseFS(templates, "templates/*.tmpl")).Lookup("haproxy.cfg.tmpl")

// File is a configuration file's text and its fingerprints, each 64 hexadecimal digits.
type File struct {
	Text []byte
	// Structure covers every line but the comments and the servers' names, addresses, ports and weights. Files of one
	// structure differ in nothing but servers and names. The servers' options are part of it, servers with a DNS name but for
	// their weights, and the Platform.
	Structure string
	// Whole covers Structure, the servers' names, addresses, ports and weights, and the file of names; the servers' ids follow
	// from their names. Owner, Host and Server.Node are comments: no fingerprint covers them.
	Whole string
	// NamesPath is the absolute path of the file of names, and Names its text; empty if there is none. It has to be there before
	// HAProxy reads Text.
	NamesPath string
	Names     []byte
}

// SHA256 is the hash of the text, in hexadecimal digits, as sha256sum prints it.
func (f File) SHA256() string {
	return sha256Hex(f.Text)
}

// NamesSHA256 is the hash of the file of names, in hexadecimal digits; empty if there is none.
func (f File) NamesSHA256() string {
	if f.NamesPath == "" {
		return ""
	}
	return sha256Hex(f.Names)
}

// Render writes the file. It refuses a Config or Platform that is not valid, and one whose servers are not known yet
// (Backend.KeepServers).
//
// The structure's fingerprint is also the description of the process, so that the running HAProxy can be asked which
// file it has loaded.
func Render(c haproxy.Config, p Platform) (File, error) {
	structure, whole, err := Fingerprints(c, p)
	if err != nil {
		return File{}, err
	}
	file := File{Structure: structure, Whole: whole}
	header := Header{Owner: c.Owner, Host: c.Host, Structure: structure, Whole: whole}
	if c.UsesMap() {
		file.NamesPath, file.Names = NamesPath(p.NamesPrefix, structure), namesText(c.Entries())
		header.Names = file.NamesSHA256()
	}
	if c.Idle() {
		header.Owner, header.Host = "", ""
	}
	text := bytes.NewBufferString(header.text())
	description, err := quote(descriptionPrefix + structure)
	if err != nil {
		return File{}, err
	}
	if err := body.Execute(text, newView(c, p, description, file.NamesPath, serverLines)); err != nil {
		return File{}, fmt.Errorf("write the configuration: %w", err)
	}
	file.Text = text.Bytes()
	return file, nil
}

// checkKnown wants every backend's servers to be known.
func checkKnown(c haproxy.Config) error {
	var faults []error
	for _, b := range c.Backends {
		if b.KeepServers {
			faults = append(faults, fmt.Errorf("backend %q: it is to keep the host's servers, which were not put in", b.Name))
		}
	}
	return errors.Join(faults...)
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
