package haproxy

// backView is what the template prints of a backend.
type backView struct {
	Name    string
	Balance Balance
	// Hashed says that the algorithm maps clients to servers by a hash.
	Hashed bool
	// Servers are what stands behind the word server.
	Servers []string
}

func newBackView(b Backend, servers []string) backView {
	return backView{Name: b.Name, Balance: b.Balance, Hashed: b.Balance == Source, Servers: servers}
}
