package plan

import "github.com/edgelb/edgelb/internal/haproxy/cfg"

// Previous is how the previous sync left a host; unknown values are zero.
type Previous struct {
	// Proved is the full hash of the configuration that the host was last proved to run, by this operator or the one before it.
	Proved string
	// FileSHA256 is the hash of the file, in hex. StaleFile reports whether the file lacked servers or route map entries that ran.
	FileSHA256 string
	StaleFile  bool
	// Begun reports whether the result of a change is unknown.
	Begun bool
}

// drift returns how the host differs from what it was proved to run, if only somebody else can have caused that.
func drift(observed Observed, wanted Wanted, plan Plan) []string {
	previous := observed.Previous
	if previous.Proved == "" || previous.Proved != wanted.File.Whole || previous.Begun {
		return nil
	}
	if hasStaleFile(observed, wanted, plan.Action) {
		return nil
	}
	return plan.Reasons
}

// hasOtherComments reports whether only the comments of the file differ, which another version of edgelb may have written.
func hasOtherComments(file File, wanted cfg.File) bool {
	return file.SHA256 != wanted.SHA256() && file.SettingsSHA256 == SettingsSHA256(wanted.Text)
}

// hasStaleFile reports whether the host may differ only because edgelb had not yet written the servers to the file: the file is stale,
// or HAProxy was restarted from the stale file.
func hasStaleFile(observed Observed, wanted Wanted, action Action) bool {
	file, previous := observed.File, observed.Previous
	switch action {
	case Rewrite:
		return file.Managed && (file.Header.Whole != wanted.File.Whole || hasOtherComments(file, wanted.File)) &&
			(previous.FileSHA256 == "" || previous.FileSHA256 == file.SHA256)
	case Runtime:
		return previous.StaleFile && previous.FileSHA256 == file.SHA256 && !observed.Running.Same
	default:
		return false
	}
}
