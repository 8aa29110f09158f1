package facts

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/keepalived"
)

// minVersion is the first keepalived that has all of the options: track_file, with which a file puts a host into maintenance, came last.
var minVersion = [2]int{2, 1}

// Preflight says why keepalived of this host cannot run the configuration, and what to do; empty if nothing is known to prevent it. keepalived's
// own check does not find most of that: it warns, and starts without what is missing.
func (f Facts) Preflight(c keepalived.Config) string {
	return cmp.Or(f.checkProgram(), f.checkScript(), f.checkService(), f.checkInterfaces(c))
}

func (f Facts) checkProgram() string {
	switch {
	case f.Installing:
		return "packages are being installed on the host. Retrying; no action needed"
	case f.Binary == "":
		return "keepalived is not installed: install the package keepalived on the host, or set spec.haproxy.install: IfMissing"
	case isOlder(f.Version, minVersion):
		return fmt.Sprintf("keepalived %s is too old: upgrade the package keepalived on the host to %d.%d or later", f.Version, minVersion[0], minVersion[1])
	default:
		return ""
	}
}

// LacksPackage reports whether the host has no keepalived, or not the account of its check, or whether they are being installed.
func (f Facts) LacksPackage() bool { return f.Installing || f.Binary == "" || !f.ScriptUser }

// isOlder compares versions such as "2.0.19". One that cannot be read counts as new enough: keepalived's check decides.
func isOlder(version string, than [2]int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	if err != nil || err2 != nil {
		return false
	}
	return major < than[0] || (major == than[0] && minor < than[1])
}

func (f Facts) checkScript() string {
	switch {
	case !f.ScriptUser:
		return fmt.Sprintf("the account %[1]s does not exist, without which keepalived leaves its check out: run hack/edge-host-setup.sh on the host, or as root, useradd --system --no-create-home --shell /usr/sbin/nologin %[1]s, or set spec.haproxy.install: IfMissing",
			keepalived.ScriptUser)
	case f.Tool == "":
		return "no program of the host can ask HAProxy whether it answers: install perl, python3, socat or netcat-openbsd on the host"
	default:
		return ""
	}
}

func (f Facts) checkService() string {
	if f.Service == "" && f.Process == 0 {
		return "no service manager of the host knows keepalived, and it does not run: install the service of the package keepalived, or start keepalived"
	}
	return ""
}

func (f Facts) checkInterfaces(c keepalived.Config) string {
	for _, instance := range c.Instances {
		if _, exists := f.Links[instance.Interface]; !exists {
			return fmt.Sprintf("the interface %s does not exist on the host, which has %s: set spec.virtualIPs.interface to one of these",
				instance.Interface, strings.Join(slices.Sorted(maps.Keys(f.Links)), ", "))
		}
		if !f.Holds(instance.Interface, instance.Source) {
			return fmt.Sprintf("the address %s, from which the host would speak to its peers, is not on its interface %s: give the interface that address, or set spec.virtualIPs.interface to the one that has it",
				instance.Source, instance.Interface)
		}
	}
	return ""
}

// Proves reports whether keepalived runs, and runs its check, with the configuration of that hash.
func (f Facts) Proves(hash string) bool {
	return f.Process != 0 && f.Check.Fresh() && f.Check.Hash == hash
}

// RoleOf returns what the host is for an instance of the configuration of that hash. For Fault, it says why and what to do.
func (f Facts) RoleOf(i keepalived.Instance, hash string) (keepalived.Role, string) {
	held, lacking := f.split(i)
	switch {
	case f.Process == 0 && len(held) > 0:
		return keepalived.Fault, fmt.Sprintf("keepalived does not run, and has left %s on %s, which another host may have as well: start keepalived", join(held), i.Interface)
	case f.Process == 0:
		return keepalived.Fault, "keepalived does not run: start it, and see its log"
	case len(lacking) == 0:
		return keepalived.Master, ""
	case len(held) > 0:
		return keepalived.Fault, fmt.Sprintf("the host has %s on %s, but not %s: see keepalived's log, or reload keepalived", join(held), i.Interface, join(lacking))
	}
	if why := f.whyFault(i, hash); why != "" {
		return keepalived.Fault, why
	}
	return keepalived.Backup, ""
}

// whyFault says why the host would not take the addresses; empty if it would.
func (f Facts) whyFault(i keepalived.Instance, hash string) string {
	switch {
	case f.Maintenance == inMaintenance:
		return "the host is in maintenance"
	case !f.Links[i.Interface].Up:
		return fmt.Sprintf("the link of %s is down, or the interface is gone: see ip link on the host", i.Interface)
	case !f.Holds(i.Interface, i.Source):
		return fmt.Sprintf("the address %s, from which the host speaks to its peers, is no longer on %s: put it back", i.Source, i.Interface)
	case !f.Proves(hash):
		return "keepalived does not run its check: see its log"
	case f.Check.At < f.Started:
		return "keepalived was started just now, and has not checked HAProxy yet. Retrying; no action needed"
	case !f.Check.OK:
		return "HAProxy does not answer on the host: see its log, or start it"
	default:
		return ""
	}
}

// split returns which addresses of an instance the host holds, and which it lacks.
func (f Facts) split(i keepalived.Instance) (held, lacking []netip.Addr) {
	for _, prefix := range append([]netip.Prefix{i.Carrier()}, i.Addresses...) {
		if addr := prefix.Addr(); f.Holds(i.Interface, addr) {
			held = append(held, addr)
		} else {
			lacking = append(lacking, addr)
		}
	}
	return held, lacking
}

// Torn reports whether the host holds only a part of the addresses of some instance, as for a moment during a change.
func (f Facts) Torn(c keepalived.Config) bool {
	return slices.ContainsFunc(c.Instances, func(i keepalived.Instance) bool {
		held, lacking := f.split(i)
		return len(held) > 0 && len(lacking) > 0
	})
}

// join lists addresses, and only counts those beyond the first few.
func join(addrs []netip.Addr) string {
	const most = 3
	var texts []string
	for _, addr := range addrs[:min(most, len(addrs))] {
		texts = append(texts, addr.String())
	}
	if more := len(addrs) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(texts, ", ")
}

// inMaintenance is Facts.Maintenance of a host that is in maintenance.
const inMaintenance = "1"

// MaintenanceWord returns Facts.Maintenance of a host that is in maintenance, or not.
func MaintenanceWord(maintenance bool) string {
	if maintenance {
		return inMaintenance
	}
	return "0"
}
