// Package keepalived is the keepalived configuration of a host as a value: which virtual addresses the host may hold, and how it agrees
// with its peers on who does. It is pure.
package keepalived

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// ScriptUser is the account that keepalived runs its check as. keepalived drops the check without a failure if the account is missing.
const ScriptUser = "keepalived_script"

// ConfigPath is where every distribution's service expects the configuration.
const ConfigPath = "/etc/keepalived/keepalived.conf"

// Folder has what keepalived reads besides its configuration: the check, and MaintenancePath. Only root can write there.
const Folder = "/etc/keepalived/edgelb"

// MaintenancePath is a file that keepalived watches: while it has another number than 0, the host gives up its addresses and takes none. So
// that takes no reload, and lasts until it is taken back, also over a reboot.
const MaintenancePath = Folder + "/maintenance"

// ResultFolder belongs to ScriptUser, and ResultPath is where its check says which configuration it was started for, and how it ended.
const (
	ResultFolder = "/run/edgelb-keepalived"
	ResultPath   = ResultFolder + "/check"
)

// NoticeFolder belongs to ScriptUser, and has the results of the instances' commands, by the name of the instance after NoticePrefix. Unlike
// ResultFolder it is there after a reboot, when keepalived may run a command before edgelb is connected.
const (
	NoticeFolder = "/var/lib/edgelb-keepalived"
	NoticePrefix = "notice-"
)

// SecretsFolder has a folder for each instance whose command gets files of a Secret. Only root can write there, and only ScriptUser read the
// files.
const SecretsFolder = Folder + "/secrets"

// SecretFolder is the folder of an instance.
func SecretFolder(instance string) string { return SecretsFolder + "/" + instance }

// Config is what keepalived of one host should do.
type Config struct {
	// Owner identifies the operator and the objects that the host belongs to, and Host is their name for the host, as in
	// haproxy.Config.
	Owner, Host string
	// CheckSocket is the path of the socket on which HAProxy answers the check of ScriptUser.
	CheckSocket string
	// Instances have unique names and unique virtual router IDs on each interface.
	Instances []Instance
}

// Idle reports whether the host holds no virtual addresses: keepalived then does not run.
func (c Config) Idle() bool { return len(c.Instances) == 0 }

// Instance is one virtual router: a set of addresses that only one of its hosts holds at a time.
type Instance struct {
	// Name identifies the instance in keepalived's log and in its file: letters, digits, "-", "_" and ".".
	Name string
	// Interface has the addresses.
	Interface string
	// RouterID is the virtual router ID, from 1 to 255.
	RouterID int
	// Priority is from 1 to 254: the highest one wins an election.
	Priority int
	// Advertisement is the time between two adverts of the master, in whole hundredths of a second.
	Advertisement time.Duration
	// Preempt lets a host with a higher priority take the addresses from a healthy one.
	Preempt bool
	// Source is the address of the interface that adverts are sent from. Its family is that of the virtual router.
	Source netip.Addr
	// Peers are the addresses that adverts are sent to, sorted, of Source's family; none with multicast.
	Peers []netip.Addr
	// Multicast sends adverts to all hosts of the network.
	Multicast bool
	// Addresses are the virtual addresses with the prefix lengths of their networks, sorted. They may be of both families.
	Addresses []netip.Prefix
	// Notify is what the host runs when it has become the master.
	Notify Notify
}

// Notify is a command that tells somebody that the host has the addresses of an instance.
type Notify struct {
	// Command is a program with its arguments, separated by blanks; empty if there is none.
	Command string
	// Secret reports whether the command gets the files of a Secret.
	Secret bool
}

// Carrier returns the address that adverts are about. keepalived's peers must agree on the list of addresses in adverts at all times, or
// both hold them. So adverts have this one address, which never changes, and the real ones are excluded from adverts. It is a link-local
// address that nobody can reach, and its last part is the virtual router ID.
func (i Instance) Carrier() netip.Prefix {
	if i.Source.Is4() {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254, 112, byte(i.RouterID)}), 32)
	}
	carrier := [16]byte{0: 0xfe, 1: 0x80, 13: 0x70, 15: byte(i.RouterID)}
	return netip.PrefixFrom(netip.AddrFrom16(carrier), 128)
}

// Normalize sorts what has no order.
func (c Config) Normalize() Config {
	c.Instances = slices.Clone(c.Instances)
	slices.SortFunc(c.Instances, func(a, b Instance) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.Instances {
		instance := &c.Instances[i]
		instance.Peers = slices.SortedFunc(slices.Values(instance.Peers), netip.Addr.Compare)
		instance.Addresses = slices.SortedFunc(slices.Values(instance.Addresses), netip.Prefix.Compare)
	}
	return c
}

// Network is an address of a host's interface, with the length of its network's prefix. Virtual addresses and those that only the host
// itself can reach are none.
type Network struct {
	Interface string
	Prefix    netip.Prefix
}

// Role is what a host is for a virtual router, as in the API.
type Role string

// The roles.
const (
	// Master: the host holds the addresses.
	Master Role = "MASTER"
	// Backup: it would take them.
	Backup Role = "BACKUP"
	// Fault: it neither holds nor would take them, because its HAProxy does not answer, its link is down, it is in maintenance, or keepalived
	// does not run.
	Fault Role = "FAULT"
)
