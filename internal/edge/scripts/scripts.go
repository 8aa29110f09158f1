// Package scripts is everything that runs on a host: short POSIX shell scripts, and the one command line that starts them.
package scripts

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
)

//go:embed *.sh
var texts embed.FS

// loader is the only command line that hosts ever see. It reads a script from stdin up to endOfScript and runs it; what
// follows on stdin is the script's own input. So no value is ever part of a command line, and a sudoers file can name
// it. The folders of an administrator's programs are not in an ordinary account's PATH. `read` takes single bytes from a pipe,
// so nothing of the input is lost, whichever shell /bin/sh is.
const (
	loader      = `PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH; n=$(printf "\n."); n=${n%.}; s=; while IFS= read -r l && [ "$l" != "` + endOfScript + `" ]; do s=$s$l$n; done; eval "$s"`
	endOfScript = "#end of script"
)

// CommandLine is what starts any script, whose Input goes to its stdin: as the account that logged in, or elevated by sudo.
func CommandLine(elevated bool) string {
	command := "/bin/sh -c '" + loader + "'"
	if elevated {
		return "sudo -n " + command
	}
	return "exec " + command
}

// Input is the script of that name and its arguments, one a line. The script reads the rest of its stdin itself.
func Input(name string, args ...string) ([]byte, error) {
	script, err := texts.ReadFile(name + ".sh")
	if err != nil {
		return nil, err
	}
	var input bytes.Buffer
	input.Write(script)
	input.WriteString(endOfScript + "\n")
	for _, arg := range args {
		if strings.ContainsAny(arg, "\n\x00") {
			return nil, fmt.Errorf("script %s: the argument %q has more than one line", name, arg)
		}
		input.WriteString(arg + "\n")
	}
	return input.Bytes(), nil
}
