package cfg

import (
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/logs"
)

// logLines are the lines about logs, by their section: those of all frontends, and those that only TLS or HTTP frontends have.
type logLines struct{ Global, Ring, Defaults, TLS, HTTP []string }

// of returns what a frontend has besides the defaults.
func (l logLines) of(p haproxy.Protocol) []string {
	switch p {
	case haproxy.TLS:
		return l.TLS
	case haproxy.HTTP:
		return l.HTTP
	default:
		return nil
	}
}

// longestLine is the length of a line in bytes, above which it would be cut off and no longer be JSON. What clients may choose in it is
// shorter, see safe.
const longestLine = 8192

// ringLines are those of the memory for lines that wait for a syslog server's TCP connection. HAProxy writes to it without waiting, and
// opens the connection again when it breaks.
var ringLines = []string{"format rfc5424", fmt.Sprintf("maxlen %d", longestLine), "size 1048576", "timeout connect 5s", "timeout server 10s"}

// newLogLines returns the lines for the settings on a host with or without a log of its own.
func newLogLines(s logs.Settings, syslog bool) logLines {
	l := logLines{HTTP: []string{"option httplog"}, Defaults: []string{"log global", "option tcplog"}}
	if s.JSON {
		l = logLines{TLS: jsonLines(tlsFields), HTTP: jsonLines(httpFields), Defaults: append([]string{"log global"}, jsonLines(tcpFields)...)}
	}
	if !s.All {
		// A line for each of thousands of connections a second costs a lot.
		l.Defaults = append(l.Defaults, "option dontlognull", "option dontlog-normal")
	}
	switch s.Target.Kind {
	case logs.UDP:
		l.Global = remote(s.Target.Server.String())
	case logs.TCP:
		l.Global, l.Ring = remote("ring@edgelb-log"), append(ringLines[:len(ringLines):len(ringLines)], "server log "+s.Target.Server.String())
	case logs.Journal:
		if l.Global = []string{local(s.JSON)}; !syslog {
			return logLines{}
		}
	default:
		return logLines{}
	}
	return l
}

// remote are the lines for a syslog server, which needs the name of the host.
func remote(server string) []string {
	return []string{fmt.Sprintf("log %s len %d format rfc5424 local0", server, longestLine), "log-send-hostname"}
}

func local(json bool) string {
	if json {
		return fmt.Sprintf("log /dev/log len %d local0", longestLine)
	}
	return "log /dev/log local0"
}

// The fields of a JSON object, each with its value in HAProxy's log format. A value without quotes is always a number.
var (
	who       = []string{`"time":%Ts.%ms`, `"client":"%ci"`, `"clientPort":%cp`, `"listener":"%f"`}
	where     = []string{`"target":"%b"`, `"server":"%s"`, `"bytesFromClient":%U`, `"bytesToClient":%B`, `"queueMs":%Tw`, `"connectMs":%Tc`}
	ending    = []string{`"totalMs":%Tt`, `"termination":"%ts"`}
	tcpFields = join(who, where, ending)
	tlsFields = join(who, []string{`"sni":"` + safe("var(txn.name)", 255) + `"`}, where, ending)
	// The path is what is before the question mark: what follows it may hold a secret.
	httpFields = join(who, []string{
		`"host":"` + safe("var(txn.name)", 255) + `"`, `"method":"` + safe("capture.req.method", 32) + `"`,
		`"path":"` + safe("capture.req.uri,field(1,?)", 512) + `"`, `"status":%ST`,
	}, where, []string{`"responseMs":%Tr`, `"totalMs":%Ta`, `"termination":"%ts"`})
)

func join(parts ...[]string) string {
	var all []string
	for _, part := range parts {
		all = append(all, part...)
	}
	return strings.Join(all, ",")
}

// safe returns the first bytes of what a client has sent, as the inside of a JSON string. HAProxy escapes each byte outside of ASCII by
// itself, so that no sequence of bytes is invalid, and six characters are the longest escape.
func safe(sample string, most int) string {
	return fmt.Sprintf("%%[%s,bytes(0,%d),json(ascii)]", sample, most)
}

// jsonLines are the lines for a connection, and for one that ended before HAProxy knew where it goes. Success is what HAProxy says of a
// connection whose request is bad.
func jsonLines(fields string) []string {
	return []string{
		"log-format '{" + fields + "}'",
		"error-log-format '{" + fields + `,"error":"%[fc_err_str,regsub(^Success$,),json(ascii)]"}'`,
	}
}
