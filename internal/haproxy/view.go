package haproxy

// view is what the template prints: words that are ready to print, in order.
type view struct {
	Config
	Platform
	// Description is quoted.
	Description string
	Connect     string
	Client      string
	Server      string
	Queue       string
	Fronts      []frontView
	Backs       []backView
}

type frontView struct {
	Name    string
	Binds   []string
	Backend string
}

type backView struct {
	Name    string
	Balance Balance
	// Hashed says that the algorithm maps clients to servers by a hash.
	Hashed bool
	// Servers are what stands behind the word server.
	Servers []string
}

// newView decides everything that the template prints; serversOf says what stands for a backend's servers.
func newView(c Config, p Platform, description string, serversOf func(Backend) []string) view {
	v := view{
		Config:      c,
		Platform:    p,
		Description: description,
		Connect:     duration(c.Timeouts.Connect),
		Client:      duration(c.Timeouts.Client),
		Server:      duration(c.Timeouts.Server),
		Queue:       duration(c.Timeouts.Queue),
	}
	for _, f := range c.Frontends {
		v.Fronts = append(v.Fronts, frontView{Name: f.Name, Binds: bindLines(f.Binds), Backend: f.Backend})
	}
	for _, b := range c.Backends {
		v.Backs = append(v.Backs, backView{Name: b.Name, Balance: b.Balance, Hashed: b.Balance == Source, Servers: serversOf(b)})
	}
	return v
}

// bindLines keeps IPv4 clients away from IPv6 wildcards: they would appear there, and in PROXY headers, as ::ffff:a.b.c.d.
func bindLines(binds []Bind) []string {
	var lines []string
	for _, b := range binds {
		line := b.String()
		if b.Addr.Is6() && b.Addr.IsUnspecified() {
			line += " v6only"
		}
		lines = append(lines, line)
	}
	return lines
}
