// Package cfg writes the text of keepalived.conf and of the check that keepalived runs: how a Config is written, the hash of its meaning, and
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
	// Hash covers everything but the header, which says who wrote the file, and includes Check: 64 hexadecimal digits. keepalived passes it to
	// the check, which proves that keepalived has loaded this very file.
	Hash string
	// CheckPath is the absolute path of the check, and Check its text. It must exist before keepalived loads Text. Checks of different texts
	// have different paths, so that the former file finds its own.
	CheckPath string
	Check     []byte
}

// SHA256 returns the hash of the text, in hexadecimal digits, as sha256sum prints it.
func (f File) SHA256() string { return sum(f.Text) }

// CheckSHA256 returns the hash of the check, likewise.
func (f File) CheckSHA256() string { return sum(f.Check) }

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
	file := File{Check: check, CheckPath: keepalived.Folder + "/check-" + sum(check)[:16] + ".sh"}
	structure, err := write(c, file.CheckPath, "")
	if err != nil {
		return File{}, err
	}
	file.Hash = sum(structure)
	text, err := write(c, file.CheckPath, file.Hash)
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
}

func viewOf(i keepalived.Instance) instanceView {
	v := instanceView{Instance: i, Advertisement: seconds(i.Advertisement), Carrier: i.Carrier(), Peers: i.Peers}
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
