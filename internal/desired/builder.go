package desired

import (
	"github.com/edgelb/edgelb/internal/desired/pool"
	"github.com/edgelb/edgelb/internal/desired/spec/listeners"
)

// Builder computes the desired states of hosts. It keeps what earlier builds have read, which makes the next ones faster and
// changes no result. The zero Builder is ready for use. Its methods may be called concurrently.
type Builder struct {
	endpoints pool.Cache
	names     listeners.Names
}

// Forget drops what earlier builds have read.
func (b *Builder) Forget() {
	b.endpoints.Forget()
	b.names.Forget()
}
