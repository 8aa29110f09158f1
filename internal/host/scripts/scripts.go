// Package scripts is everything that runs on a host: short POSIX shell scripts, and the single command line that starts them.
package scripts

import (
	"bytes"
	"crypto/rand"
	"embed"
	"fmt"
	"strings"
)

//go:embed *.sh
var texts embed.FS

// loader is the only command line that hosts ever see, so that a sudoers file can name it. It reads from stdin: a line with a
// marker, the number of the arguments and the size of the payload in bytes; the arguments, one a line, which become the
// script's own; and the script, up to endOfScript. Nothing runs before all of that has arrived. It first prints the marker to
// both outputs: output before the marker comes from the account's login shell, such as a greeting in .bashrc. The rest of stdin
// is the payload, which the script reads itself, and whose size it finds in $payload_size.
//
// So no value is ever part of a command line or of a script. An ordinary account's PATH lacks the folders of an administrator's
// programs. The last of the three characters that IFS has at a shell's start is a newline, whatever the environment says.
// `read` takes single bytes from a pipe, so nothing of the payload is lost, whichever shell /bin/sh is.
const (
	loader = `PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; LC_ALL=C; export PATH LC_ALL; n=${IFS#??}; s=; ` +
		`IFS=" " read -r m k payload_size || exit 97; ` +
		`while [ "$k" -gt 0 ]; do IFS= read -r l || exit 97; set -- "$@" "$l"; k=$((k-1)); done; ` +
		`while IFS= read -r l || exit 97; [ "$l" != "` + endOfScript + `" ]; do s=$s$l$n; done; ` +
		`printf "%s\n" "$m"; printf "%s\n" "$m" >&2; eval "$s"`
	endOfScript = "#end of script"
)

// CommandLine is the command that starts any script, with a Call on its stdin: as the account that logged in, or with sudo.
func CommandLine(elevated bool) string {
	command := "/bin/sh -c '" + loader + "'"
	if elevated {
		return "sudo -n " + command
	}
	return "exec " + command
}

// Call is one run of a script.
type Call struct {
	// Input goes to the stdin of CommandLine.
	Input []byte
	// marker is the line before the script's own output.
	marker string
}

// Text returns the text of the scripts of these names, one after the other, as the payload of a script that runs them.
func Text(names ...string) ([]byte, error) {
	var all []byte
	for _, name := range names {
		text, err := texts.ReadFile(name + ".sh")
		if err != nil {
			return nil, err
		}
		all = append(all, text...)
	}
	return all, nil
}

// NewCall creates a call of the script of that name with its arguments and payload.
func NewCall(name string, payload []byte, args ...string) (Call, error) {
	script, err := texts.ReadFile(name + ".sh")
	if err != nil {
		return Call{}, err
	}
	call := Call{marker: "edgelb-" + rand.Text()}
	var input bytes.Buffer
	fmt.Fprintf(&input, "%s %d %d\n", call.marker, len(args), len(payload))
	for _, arg := range args {
		if strings.ContainsAny(arg, "\n\x00") {
			return Call{}, fmt.Errorf("script %s: the argument %q has more than one line", name, arg)
		}
		input.WriteString(arg + "\n")
	}
	input.Write(script)
	input.WriteString(endOfScript + "\n")
	input.Write(payload)
	call.Input = input.Bytes()
	return call, nil
}

// Output returns what the script itself wrote to stdout or stderr. It reports false if the script did not run.
func (c Call) Output(stream []byte) ([]byte, bool) {
	_, own, found := bytes.Cut(stream, []byte(c.marker+"\n"))
	return own, found
}

// Begins reports whether a line, including its newline, is the marker before the script's own output.
func (c Call) Begins(line []byte) bool {
	return bytes.HasSuffix(line, []byte(c.marker+"\n"))
}
