// Package cfg writes the text of haproxy.cfg: how a Config is written for a Platform, the hashes of its meaning, and the
// header that identifies the file. Its words for a server are also those of the command that adds one at run time. It is
// pure, like the model.
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

// File is a configuration file's text with its structure hash and its full hash, each of 64 hexadecimal digits.
type File struct {
	Text []byte
	// Structure is the structure hash. It covers every line except the comments and the servers' names, addresses, ports and
	// weights. Files with the same structure differ only in servers and names. It includes the servers' options, servers with a
	// DNS name (except their weights), and the Platform.
	Structure string
	// Whole is the full hash. It covers Structure, the servers' names, addresses, ports and weights, and the map file; the
	// servers' ids follow from their names. Owner, Host and Server.Node are comments, which no hash covers.
	Whole string
	// NamesPath is the absolute path of the map file, and Names its text; empty if there is none. It must exist before HAProxy
	// reads Text.
	NamesPath string
	Names     []byte
}

// SHA256 returns the hash of the text, in hexadecimal digits, as sha256sum prints it.
func (f File) SHA256() string {
	return sha256Hex(f.Text)
}

// NamesSHA256 returns the hash of the map file, in hexadecimal digits; empty if there is none.
func (f File) NamesSHA256() string {
	if f.NamesPath == "" {
		return ""
	}
	return sha256Hex(f.Names)
}

// Render writes the file. It rejects an invalid Config or Platform, and a Config with servers that are not known yet
// (Backend.KeepServers).
//
// The structure hash is also the description of the process, so that the running HAProxy can report which file it has
// loaded.
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
	if !c.Idle() {
		record, err := recordOf(c)
		if err != nil {
			return File{}, err
		}
		text.Write(record)
	}
	file.Text = text.Bytes()
	return file, nil
}

// checkKnown requires that every backend's servers are known.
func checkKnown(c haproxy.Config) error {
	var faults []error
	for _, b := range c.Backends {
		if b.KeepServers {
			faults = append(faults, fmt.Errorf("backend %q: it must keep the host's servers, which were not inserted", b.Name))
		}
	}
	return errors.Join(faults...)
}

// duration formats a time for HAProxy, to the millisecond, in the largest exact unit.
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
