// Package plan decides what has to be done to a host. It is pure: Compute looks at what was observed and at what is wanted,
// and returns a Plan, which is data with reasons. It never sends anything and never changes its input.
package plan

import (
	"fmt"
	"slices"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Observed is what was seen on a host.
type Observed struct {
	File    File
	Running Running
}

// File is the configuration file as it was found.
type File struct {
	// Exists is false when there is no file, or an empty one.
	Exists bool
	// Pristine says that it is the distribution's own default, as the package manager installed it.
	Pristine bool
	// Managed says that an edgelb wrote it; Header is then what it says of itself.
	Managed bool
	Header  haproxy.Header
	// SHA256 is the hash of its bytes, in hex.
	SHA256 string
	// Binds are its bind addresses by frontend, in the order of the file.
	Binds map[string][]string
}

// Running is what the HAProxy that runs on the host says of itself.
type Running struct {
	// Alive is false when no HAProxy runs with the configuration file.
	Alive bool
	// Answers is false when it cannot be asked.
	Answers bool
	// Structure is the fingerprint that the worker returns; empty when it runs a configuration that is not edgelb's.
	Structure string
	// Servers are the worker's servers.
	Servers []runtime.Server
}

// Wanted is what a host is to be brought to.
type Wanted struct {
	Config haproxy.Config
	// File is Config, rendered for the host.
	File haproxy.File
	// Adopt allows to replace a file that somebody else wrote.
	Adopt bool
	// Wants says whether objects of the same owner still want a host of that name; nil if none does.
	Wants func(host string) bool
}

// Action is what has to be done.
type Action string

const (
	// NoOp: the host is as wanted.
	NoOp Action = "NoOp"
	// Rewrite: what runs is as wanted, the file is not.
	Rewrite Action = "Rewrite"
	// Reload: HAProxy has to load the wanted file.
	Reload Action = "Reload"
	// Refuse: the file is somebody else's, and nothing may be done. The reason says whose.
	Refuse Action = "Refuse"
)

// Plan is what has to be done, and why.
type Plan struct {
	Action Action
	// Reasons are never empty unless the Action is NoOp. Each is a phrase that a person understands.
	Reasons []string
	// Backup says that the file which is replaced was not edgelb's and is to be kept for good.
	Backup bool
	// KeepFormer says that the file which is replaced is what to go back to, as far as is known.
	KeepFormer bool
	// Twin says of a Refuse that the file is the owner's own, under another name of the same machine. Wanted.Adopt does not
	// lift that.
	Twin bool
}

// Compute decides.
//
//	file                       wanted     running          plan
//	kept by another            any        any              as keptByAnother says
//	none, or the default       idle       not ours         NoOp: likewise
//	ours                       idle       nothing          Rewrite: nobody needs a HAProxy that serves nobody
//	any                        any        not the wanted   Reload
//	not the wanted             any        the wanted       Rewrite
//	the wanted                 any        the wanted       NoOp
func Compute(observed Observed, wanted Wanted) Plan {
	if decided, kept := keptByAnother(observed.File, wanted); kept {
		return decided
	}
	if wanted.Config.Idle() && !observed.File.Managed && observed.Running.Structure == "" {
		return Plan{Action: NoOp}
	}
	return compare(observed, wanted)
}

func compare(observed Observed, wanted Wanted) Plan {
	replaced := Plan{
		Backup:     observed.File.Exists && !observed.File.Managed,
		KeepFormer: observed.File.Exists && !isUnproved(observed),
	}
	if reasons := runningDiffers(observed, wanted); len(reasons) > 0 {
		replaced.Action, replaced.Reasons = Reload, reasons
		return replaced
	}
	if reason := fileDiffers(observed.File, wanted.File); reason != "" {
		replaced.Action, replaced.Reasons = Rewrite, []string{reason}
		return replaced
	}
	return Plan{Action: NoOp}
}

// isUnproved says whether the file is known not to be what HAProxy runs. It is then no good to go back to: it may be the very
// one that HAProxy could not load.
func isUnproved(observed Observed) bool {
	running := observed.Running
	return observed.File.Managed && running.Answers && running.Structure != observed.File.Header.Structure
}

func runningDiffers(observed Observed, wanted Wanted) []string {
	running := observed.Running
	switch {
	case !running.Alive && wanted.Config.Idle():
		return nil
	case !running.Alive:
		return []string{"HAProxy does not run"}
	case !running.Answers:
		return []string{"HAProxy does not say what it runs"}
	case running.Structure == "":
		return []string{"HAProxy runs a configuration that is not edgelb's"}
	case running.Structure != wanted.File.Structure:
		return structureReasons(observed, wanted)
	default:
		return ServerReasons(running.Servers, wanted.Config)
	}
}

// structureReasons compares the listeners with those of the file, as long as that is what runs.
func structureReasons(observed Observed, wanted Wanted) []string {
	if observed.File.Header.Structure != observed.Running.Structure {
		return []string{"HAProxy does not run the configuration of the file"}
	}
	if reasons := bindReasons(observed.File.Binds, wanted.Config.Frontends); len(reasons) > 0 {
		return reasons
	}
	return []string{"settings changed"}
}

func bindReasons(had map[string][]string, frontends []haproxy.Frontend) []string {
	var reasons []string
	want := map[string][]string{}
	for _, frontend := range frontends {
		for _, bind := range frontend.Binds {
			want[frontend.Name] = append(want[frontend.Name], bind.String())
		}
	}
	for _, name := range sortedKeys(want) {
		reasons = append(reasons, missing("frontend "+name+": bind %s added", want[name], had[name])...)
	}
	for _, name := range sortedKeys(had) {
		reasons = append(reasons, missing("frontend "+name+": bind %s removed", had[name], want[name])...)
	}
	return reasons
}

// missing formats each of these that is not among those.
func missing(format string, these, those []string) []string {
	var out []string
	for _, s := range these {
		if !slices.Contains(those, s) {
			out = append(out, fmt.Sprintf(format, s))
		}
	}
	return out
}

// ServerReasons says how the servers that run differ from the wanted ones; empty when they do not. Only the backends of
// the configuration count.
func ServerReasons(running []runtime.Server, config haproxy.Config) []string {
	var reasons []string
	has := map[string]map[string]runtime.Server{}
	for _, server := range running {
		if has[server.Backend] == nil {
			has[server.Backend] = map[string]runtime.Server{}
		}
		has[server.Backend][server.Name] = server
	}
	for _, backend := range config.Backends {
		reasons = append(reasons, backendReasons(backend, has[backend.Name])...)
	}
	return reasons
}

func backendReasons(backend haproxy.Backend, has map[string]runtime.Server) []string {
	var reasons []string
	wanted := map[string]bool{}
	for _, want := range backend.Servers {
		wanted[want.Name] = true
		server, found := has[want.Name]
		switch {
		case !found:
			reasons = append(reasons, fmt.Sprintf("backend %s: server %s added", backend.Name, want.Name))
		case server.Addr != want.Addr || server.Port != want.Port:
			reasons = append(reasons, fmt.Sprintf("backend %s: server %s moved", backend.Name, want.Name))
		}
	}
	for _, name := range sortedKeys(has) {
		if !wanted[name] {
			reasons = append(reasons, fmt.Sprintf("backend %s: server %s removed", backend.Name, name))
		}
	}
	return reasons
}

func fileDiffers(file File, wanted haproxy.File) string {
	switch {
	case !file.Exists:
		return "the file is gone"
	case file.SHA256 == wanted.SHA256():
		return ""
	case file.Managed && file.Header.Whole == wanted.Whole:
		return "the file was edited, or only its comments changed"
	default:
		return "the file differs from what runs"
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
