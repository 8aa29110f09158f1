// Package cfg writes the text of keepalived.conf and of the scripts that keepalived runs: how a Config is written, the hash of its meaning, and
// the header that identifies the file. It is pure, like the model.
package cfg

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"text/template"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
)

//go:embed keepalived.conf.tmpl
var source string

var body = template.Must(template.New("keepalived.conf").Parse(source))

//go:embed check.sh
var check []byte

// File is a configuration file's text with its hash.
type File struct {
	Text []byte
	// Hash covers everything but the header, which says who wrote the file, and includes Scripts: 64 hexadecimal digits. keepalived passes it
	// to the check, which proves that keepalived has loaded this very file.
	Hash string
	// Scripts are what keepalived runs: the check, and what runs the commands of instances. They must exist before keepalived loads Text.
	Scripts []Script
}

// Script is a script that keepalived runs. Scripts of different texts have different paths, so that the former file finds its own.
type Script struct {
	Path string
	Text []byte
}

// SHA256 returns the hash of the text, in hexadecimal digits.
func (s Script) SHA256() string { return sum(s.Text) }

// ID is a part of the path that identifies the text.
func (s Script) ID() string { return s.SHA256()[:16] }

func scriptOf(kind string, text []byte) Script {
	s := Script{Text: text}
	s.Path = keepalived.Folder + "/" + kind + "-" + s.ID() + ".sh"
	return s
}

// SHA256 returns the hash of the text, in hexadecimal digits, as sha256sum prints it.
func (f File) SHA256() string { return sum(f.Text) }

// NotifierOf returns the ID of the script that runs an instance's command; empty if it has none.
func NotifierOf(i keepalived.Instance) string {
	if script := notifierOf(i); script != nil {
		return script.ID()
	}
	return ""
}

// NotifierPath returns the path of the script that runs the command of an instance, which has one.
func NotifierPath(i keepalived.Instance) string { return notifierOf(i).Path }

// Render writes the file. It rejects an invalid Config, and one without instances: keepalived ends when it loads such a file, and leaves the
// addresses on the interface.
func Render(c keepalived.Config) (File, error) {
	if err := c.Validate(); err != nil {
		return File{}, fmt.Errorf("cannot write this configuration: %w", err)
	}
	if c.Idle() {
		return File{}, fmt.Errorf("cannot write this configuration: it has no instance")
	}
	c = c.Normalize()
	file := File{Scripts: []Script{scriptOf("check", check)}}
	for _, instance := range c.Instances {
		if script := notifierOf(instance); script != nil {
			file.Scripts = append(file.Scripts, *script)
		}
	}
	structure, err := write(c, file.Scripts[0].Path, "")
	if err != nil {
		return File{}, err
	}
	file.Hash = sum(structure)
	text, err := write(c, file.Scripts[0].Path, file.Hash)
	if err != nil {
		return File{}, err
	}
	file.Text = append([]byte(Header{Owner: c.Owner, Host: c.Host, Hash: file.Hash}.text()), text...)
	return file, nil
}

// write writes the file without its header.
func write(c keepalived.Config, checkPath, hash string) ([]byte, error) {
	v := view{
		ScriptUser: keepalived.ScriptUser, Check: checkPath, Socket: c.CheckSocket, Hash: hash, Results: keepalived.ResultFolder,
		Maintenance: keepalived.MaintenancePath,
	}
	for _, instance := range c.Instances {
		v.Instances = append(v.Instances, viewOf(instance))
	}
	var text bytes.Buffer
	if err := body.Execute(&text, v); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return text.Bytes(), nil
}

// view is what the template reads.
type view struct {
	ScriptUser, Check, Socket, Hash, Results, Maintenance string
	Instances                                             []instanceView
}

// instanceView is an Instance in keepalived's words.
type instanceView struct {
	keepalived.Instance
	Advertisement string
	Carrier       netip.Prefix
	Peers         []netip.Addr
	Addresses     []string
	// Notifier is the path of the script that runs the command; empty if there is none.
	Notifier string
}

func viewOf(i keepalived.Instance) instanceView {
	v := instanceView{Instance: i, Advertisement: seconds(i.Advertisement), Carrier: i.Carrier(), Peers: i.Peers}
	if script := notifierOf(i); script != nil {
		v.Notifier = script.Path
	}
	for _, prefix := range i.Addresses {
		v.Addresses = append(v.Addresses, words(prefix))
	}
	if !i.Multicast && len(i.Peers) == 0 {
		v.Peers = []netip.Addr{nobody(i.Source)}
	}
	return v
}

// words writes a virtual address. The host must not use one of IPv6 for its own connections, since their answers would go to whoever has
// the address then; without a preferred lifetime the kernel chooses another one. Of IPv4 it chooses the one that was there first.
func words(address netip.Prefix) string {
	if address.Addr().Is6() {
		return address.String() + " preferred_lft 0"
	}
	return address.String()
}

// nobody is the peer of a host without peers, which holds its addresses as long as its HAProxy answers. Without a peer keepalived would send
// multicast, and to a loopback address it sends nothing.
func nobody(source netip.Addr) netip.Addr {
	if source.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// seconds formats a time in seconds, which may have a fraction.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

func sum(text []byte) string {
	hash := sha256.Sum256(text)
	return hex.EncodeToString(hash[:])
}
