package cfg

import "github.com/edgelb/edgelb/internal/haproxy"

// view is the template's data: words that are ready to print, in order.
type view struct {
	haproxy.Config
	Platform
	// Description is quoted.
	Description string
	Log         logLines
	// Peers is nil if no backend has session affinity.
	Peers *peersView
	// Resolves reports whether the host must resolve the addresses of servers.
	Resolves bool
	// BufferBytes is 0 for HAProxy's default.
	BufferBytes int
	Connect     string
	Client      string
	Server      string
	Queue       string
	Fronts      []frontView
	Backs       []backView
}

// newView decides everything that the template prints. names is the path of the map file, if there is one. serversOf returns
// the lines for a backend's servers.
func newView(c haproxy.Config, p Platform, description, names string, serversOf func(haproxy.Backend) []string) view {
	v := view{
		Config:      c,
		Platform:    p,
		Description: description,
		Log:         newLogLines(c.Logging, p.Syslog),
		Peers:       newPeersView(c, p),
		Resolves:    c.Resolves(),
		BufferBytes: bufferBytes(c.MaxHeaderBytes),
		Connect:     duration(c.Timeouts.Connect),
		Client:      duration(c.Timeouts.Client),
		Server:      duration(c.Timeouts.Server),
		Queue:       duration(c.Timeouts.Queue),
	}
	for _, f := range c.Frontends {
		v.Fronts = append(v.Fronts, newFrontView(c, f, v.Log, names))
	}
	for _, b := range c.Backends {
		v.Backs = append(v.Backs, newBackView(b, serversOf(b)))
	}
	return v
}

// bufferBytes returns the size of the buffer that takes so many bytes of headers, 0 for HAProxy's default. HAProxy keeps 1,024 bytes free for
// headers that it adds (tune.maxrewrite), and about 10 for each of at most 100 headers (tune.http.maxhdr).
func bufferBytes(headers int) int {
	if headers == 0 {
		return 0
	}
	const kept, ofHeaders = 1024, 1024
	return headers + kept + ofHeaders
}
