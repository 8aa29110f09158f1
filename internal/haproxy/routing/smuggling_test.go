package routing_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// lax is a server that finds the end of a request as some servers do: by one of the two headers for it, whatever the other
// says and however it is spelled. It records the first lines of requests.
type lax struct {
	byLength bool
	mutex    sync.Mutex
	began    []string
}

func (l *lax) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	reader := bufio.NewReader(conn)
	for {
		line, err := textproto.NewReader(reader).ReadLine()
		if err != nil {
			return
		}
		l.mutex.Lock()
		l.began = append(l.began, line)
		l.mutex.Unlock()
		header, err := textproto.NewReader(reader).ReadMIMEHeader()
		if err != nil || l.skipBody(reader, header) != nil {
			return
		}
		if _, err := io.WriteString(conn, answerOK); err != nil {
			return
		}
	}
}

func (l *lax) skipBody(reader *bufio.Reader, header textproto.MIMEHeader) error {
	length, _ := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	chunked := strings.Contains(strings.ToLower(strings.Join(header.Values("Transfer-Encoding"), ",")), "chunked")
	if chunked && (!l.byLength || header.Get("Content-Length") == "") {
		return skipChunks(reader)
	}
	_, err := io.CopyN(io.Discard, reader, length)
	return err
}

func skipChunks(reader *bufio.Reader) error {
	for {
		line, err := textproto.NewReader(reader).ReadLine()
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(strings.Split(line, ";")[0]), 16, 64)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, reader, size+int64(len("\r\n"))); err != nil || size == 0 {
			return err
		}
	}
}

func (l *lax) saw() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return append([]string(nil), l.began...)
}

// A request in the body of another is part of that body, for every reader.
func TestNoRequestHidesInAnother(t *testing.T) {
	t.Parallel()
	const head = "POST /outer HTTP/1.1\r\nHost: app.example.com\r\n"
	chunk := strconv.FormatInt(int64(len(smuggled)), 16) + "\r\n" + smuggled + "\r\n0\r\n\r\n"
	length := "Content-Length: " + strconv.Itoa(len(smuggled)) + "\r\n"
	tests := map[string]string{
		"a length and chunks":                  head + length + "Transfer-Encoding: chunked\r\n\r\n" + "0\r\n\r\n" + smuggled,
		"chunks and a length":                  head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunk,
		"chunks in another spelling":           head + length + "Transfer-Encoding: xchunked\r\n\r\n" + smuggled,
		"chunks after a tab":                   head + length + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"chunks after another encoding":        head + length + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"chunks before another encoding":       head + length + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
		"two encodings":                        head + length + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + smuggled,
		"a blank before the colon":             head + length + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"two lengths":                          head + "Content-Length: 0\r\n" + length + "\r\n" + smuggled,
		"a length that is a list":              head + "Content-Length: 0, " + strconv.Itoa(len(smuggled)) + "\r\n\r\n" + smuggled,
		"a length with a sign":                 head + "Content-Length: +" + strconv.Itoa(len(smuggled)) + "\r\n\r\n" + smuggled,
		"a line that goes on":                  head + length + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a size that is too large":             head + "Transfer-Encoding: chunked\r\n\r\n1000000000000000" + strconv.Itoa(len(smuggled)) + "\r\n" + smuggled,
		"a size with an extension":             head + "Transfer-Encoding: chunked\r\n\r\n0;a=\"\r\n\r\n" + smuggled,
		"a body with a length":                 head + length + "\r\n" + smuggled,
		"a body of chunks":                     head + "Transfer-Encoding: chunked\r\n\r\n" + chunk,
		"a length without a body for HTTP/1.0": "POST /outer HTTP/1.0\r\nHost: app.example.com\r\nTransfer-Encoding: chunked\r\n" + length + "\r\n" + smuggled,
	}
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		servers := map[string]*lax{}
		var c haproxy.Config
		for name := range tests {
			for _, byLength := range []bool{true, false} {
				l := &lax{byLength: byLength}
				key := keyOf(name, byLength)
				servers[key] = l
				c.Frontends = append(c.Frontends, haproxy.Frontend{Name: key, Protocol: haproxy.HTTP, Routes: []haproxy.Route{{Name: "app.example.com", To: key}}})
				c.Backends = append(c.Backends, backend(key, &target{kind: httpTarget, at: serveConnections(t, l.serve)}))
			}
		}
		e := start(t, program, c)
		for name, sent := range tests {
			for _, byLength := range []bool{true, false} {
				key := keyOf(name, byLength)
				conn := dial(t, e.at(t, key, loopback4))
				if _, err := io.WriteString(conn, sent); err != nil {
					t.Fatal(err)
				}
				if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
					t.Errorf("%s: got %v, want an answer", key, err)
				}
				// When the server answers another request on the same connection, it has read everything before it.
				other := dial(t, e.at(t, key, loopback4))
				if got := get(other, bufio.NewReader(other), "Host: app.example.com"); got.status != http.StatusOK {
					t.Errorf("%s: another client got %+v", key, got)
				}
				for _, line := range servers[key].saw() {
					if !strings.HasPrefix(line, "POST /outer ") && !strings.HasPrefix(line, "GET / ") {
						t.Errorf("%s: the server took %q for the begin of a request", key, line)
					}
				}
			}
		}
	})
}

// keyOf returns HAProxy's name of a case.
func keyOf(name string, byLength bool) string {
	return fmt.Sprintf("%s.%v", strings.NewReplacer(" ", "-", "/", "-").Replace(name), byLength)
}
