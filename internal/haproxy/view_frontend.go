package haproxy

// frontView is what the template prints of a frontend.
type frontView struct {
	Name    string
	Binds   []string
	Backend string
}

func newFrontView(f Frontend) frontView {
	return frontView{Name: f.Name, Binds: bindLines(f.Binds), Backend: f.Backend}
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
