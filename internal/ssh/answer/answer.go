// Package answer keeps what a host sends in answer to a request, and refuses what is longer than such an answer can be.
package answer

import (
	"errors"
	"fmt"
	"io"
)

// Limit is the maximum size of an answer, and the request that it answers, such as "show info".
type Limit struct {
	Bytes int
	Of    string
}

// LimitError says that a host sent more than the limit. The whole answer is discarded.
type LimitError struct{ Limit Limit }

func (e *LimitError) Error() string {
	return fmt.Sprintf("the host sent more than %d bytes in answer to %s: see on the host what answers there, since HAProxy "+
		"and edgelb's scripts do not say as much", e.Limit.Bytes, e.Limit.Of)
}

// chunkSize is how many bytes of an answer are read at once. Thousands of streams stay open: io.Copy's buffer would be most of the
// memory of each.
const chunkSize = 1 << 10

// Copy copies until the end into a writer that never fails, and reports how many bytes each read gave.
func Copy(w io.Writer, r io.Reader, report func(n int)) (n int64, err error) {
	chunk := make([]byte, chunkSize)
	for {
		read, err := r.Read(chunk)
		n += int64(read)
		report(read)
		_, _ = w.Write(chunk[:read])
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
