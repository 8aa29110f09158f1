package keepalived

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"time"

	"github.com/edgelb/edgelb/internal/host/header"
)

// What the file may contain. None of it allows a blank, a quote, a brace, a comment, a variable or an end of line. A name may have the longest
// namespace and the longest name of an object in it; the kernel has no longer names of interfaces.
var (
	namePattern      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,126}$`)
	interfacePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$`)
	pathPattern      = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)
	commandPattern   = regexp.MustCompile(`^/[A-Za-z0-9/._:=@-]+( [A-Za-z0-9/._:=@-]+)*$`)
	fileNamePattern  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,253}$`)
)

const (
	// maxSocketPath is the longest path that a unix socket may have, in bytes, less what HAProxy adds to it for a moment.
	maxSocketPath = 90
	maxCommand    = 256
	// maxRouterID, maxPriority and maxAdvertisement are VRRP's: an advert has 8 bits for the first two, of which priority 255 is for a
	// router that owns the address, and 12 bits for the time in hundredths of a second.
	maxRouterID      = 255
	maxPriority      = 254
	maxAdvertisement = 4095 * centisecond
	centisecond      = 10 * time.Millisecond
)

// ValidInterface reports whether a string can be the name of an Instance's interface.
func ValidInterface(name string) bool { return interfacePattern.MatchString(name) }

// ValidFileName reports whether a key of a Secret can be the name of a file.
func ValidFileName(key string) bool {
	return fileNamePattern.MatchString(key) && key != "." && key != ".."
}

// Validate returns everything that is wrong with the Config; nil if nothing is. Each error names the thing that it is about.
func (c Config) Validate() error {
	var f faults
	if !header.ValidOwner(c.Owner) {
		f.add("owner %s: %s", excerpt(c.Owner), header.OwnerRule)
	}
	if c.Host != "" && !header.ValidHost(c.Host) {
		f.add("host %s: %s", excerpt(c.Host), header.HostRule)
	}
	if c.Idle() {
		return errors.Join(f.errs...)
	}
	if len(c.CheckSocket) > maxSocketPath || !pathPattern.MatchString(c.CheckSocket) {
		f.add(`the socket of the check: %s is no absolute path of at most %d letters, digits and "/_.-"`, excerpt(c.CheckSocket), maxSocketPath)
	}
	c.checkInstances(&f)
	return errors.Join(f.errs...)
}

// checkInstances checks each instance, and that none takes what another has.
func (c Config) checkInstances(f *faults) {
	type router struct {
		iface string
		id    int
	}
	names, routers, holders := map[string]bool{}, map[router]string{}, map[netip.Addr]string{}
	for _, instance := range c.Instances {
		f.about = fmt.Sprintf("instance %s: ", excerpt(instance.Name))
		instance.check(f)
		if names[instance.Name] {
			f.add("there are two of that name")
		}
		names[instance.Name] = true
		this := router{instance.Interface, instance.RouterID}
		if other, taken := routers[this]; taken {
			f.add("instance %s has the virtual router ID %d on %s already: choose another one", excerpt(other), this.id, excerpt(this.iface))
		}
		routers[this] = instance.Name
		for _, address := range instance.Addresses {
			if other, taken := holders[address.Addr()]; taken {
				f.add("the address %s is in instance %s already", address.Addr(), excerpt(other))
			}
			holders[address.Addr()] = instance.Name
		}
	}
}

func (i Instance) check(f *faults) {
	if !namePattern.MatchString(i.Name) {
		f.add(`use a name of 1 to 127 letters, digits and "-_." that begins with a letter or a digit`)
	}
	if !ValidInterface(i.Interface) {
		f.add(`the interface %s: use 1 to 15 letters, digits and "-_."`, excerpt(i.Interface))
	}
	if i.RouterID < 1 || i.RouterID > maxRouterID {
		f.add("the virtual router ID %d is not between 1 and %d", i.RouterID, maxRouterID)
	}
	if i.Priority < 1 || i.Priority > maxPriority {
		f.add("the priority %d is not between 1 and %d", i.Priority, maxPriority)
	}
	if i.Advertisement < centisecond || i.Advertisement > maxAdvertisement || i.Advertisement%centisecond != 0 {
		f.add("the time between adverts %s is not between %s and %s in whole hundredths of a second", i.Advertisement, centisecond, maxAdvertisement)
	}
	i.Notify.check(f)
	i.checkRouting(f)
	i.checkAddresses(f)
}

// check checks the command, which keepalived's parser splits at blanks.
func (n Notify) check(f *faults) {
	if n.Command == "" || len(n.Command) <= maxCommand && commandPattern.MatchString(n.Command) {
		return
	}
	f.add(`the command %s: use the absolute path of a program and its arguments, of letters, digits and "/._:=@-", separated by single blanks, and at most %d characters`,
		excerpt(n.Command), maxCommand)
}

// checkRouting checks how adverts are sent.
func (i Instance) checkRouting(f *faults) {
	if fault := addrFault(i.Source); fault != "" {
		f.add("the source of the adverts %s", fault)
		return
	}
	if i.Multicast && len(i.Peers) > 0 {
		f.add("with multicast there are no peers: take them out")
	}
	seen := map[netip.Addr]bool{i.Source: true}
	for _, peer := range i.Peers {
		switch fault := addrFault(peer); {
		case fault != "":
			f.add("the peer %s", fault)
		case peer.Is4() != i.Source.Is4():
			f.add("the peer %s and the source %s are of different families", peer, i.Source)
		case seen[peer]:
			f.add("the peer %s is there twice, or is the host itself", peer)
		}
		seen[peer] = true
	}
}

func (i Instance) checkAddresses(f *faults) {
	if len(i.Addresses) == 0 {
		f.add("there is no virtual address")
	}
	for _, address := range i.Addresses {
		switch fault := addrFault(address.Addr()); {
		case !address.IsValid():
			f.add("a virtual address is empty")
		case fault != "":
			f.add("the virtual address %s", fault)
		case address.Addr() == i.Source:
			f.add("the virtual address %s is the host's own", address.Addr())
		}
	}
}

// addrFault says why no host can have the address; empty if one can.
func addrFault(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "is missing"
	case addr.Is4In6() || addr.Zone() != "":
		return addr.String() + " has a zone or is IPv4 written as IPv6"
	case addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback():
		return addr.String() + " is no address that a host can have in a network"
	default:
		return ""
	}
}

// faults collects errors, each of which begins with what it is about.
type faults struct {
	about string
	errs  []error
}

func (f *faults) add(format string, args ...any) {
	f.errs = append(f.errs, errors.New(f.about+fmt.Sprintf(format, args...)))
}

// excerpt quotes a string for an error message and shortens it if it is long.
func excerpt(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
