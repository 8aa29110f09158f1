package hostile

import (
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
)

// Cluster is a hostile API server.
type Cluster struct {
	// URL is where it listens, and Authority the certificate to verify it with.
	URL       string
	Authority []byte

	server *httptest.Server
}

// StartCluster starts an API server with this attack. It always answers the small request of the probe.
func StartCluster(attack Attack) *Cluster {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("limit") == "1" {
			_, _ = io.WriteString(w, listOf(r)+`]}`)
			return
		}
		attack(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return &Cluster{URL: server.URL, Authority: authority, server: server}
}

// Close stops it.
func (c *Cluster) Close() {
	c.server.CloseClientConnections()
	c.server.Close()
}

// Attack answers a list or watch request, until that fails.
type Attack func(w http.ResponseWriter, r *http.Request)

// Attacks are all attacks, by what they send.
var Attacks = map[string]Attack{
	"a list without end":           endlessList,
	"a list of empty objects":      func(w http.ResponseWriter, r *http.Request) { listOrRefuse(w, r, "{},") },
	"pages without end":            endlessPages,
	"empty pages":                  emptyPages,
	"a gzip bomb":                  gzipBomb,
	"YAML":                         yamlBomb,
	"an object without end":        endlessObject,
	"an object of many objects":    func(w http.ResponseWriter, r *http.Request) { objectOf(w, r, "{},") },
	"objects without end":          endlessObjects,
	"headers without end":          endlessHeaders,
	"blanks within an object":      func(w http.ResponseWriter, r *http.Request) { objectOf(w, r, "\n") },
	"endpoints without an address": func(w http.ResponseWriter, r *http.Request) { objectOf(w, r, `{"addresses":[]},`) },
}

func isWatch(r *http.Request) bool { return r.FormValue("watch") != "" }

// kindOf returns the requested kind, and listOf the beginning of a list of it.
func kindOf(r *http.Request) (kind, version string) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/endpointslices"):
		return "EndpointSlice", "discovery.k8s.io/v1"
	case strings.HasSuffix(r.URL.Path, "/nodes"):
		return "Node", "v1"
	default:
		return "Service", "v1"
	}
}

func listOf(r *http.Request) string {
	kind, version := kindOf(r)
	return fmt.Sprintf(`{"kind":"%sList","apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[`, kind, version)
}

// refuseWatch makes the client list.
func refuseWatch(w http.ResponseWriter) {
	w.WriteHeader(http.StatusUnprocessableEntity)
	_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
}

func listOrRefuse(w http.ResponseWriter, r *http.Request, item string) {
	if isWatch(r) {
		refuseWatch(w)
		return
	}
	_, _ = io.WriteString(w, listOf(r))
	_ = Endless(w, item)
}

func endlessList(w http.ResponseWriter, r *http.Request) {
	listOrRefuse(w, r, `{"metadata":{"name":"app","namespace":"x","annotations":{"a":"`+strings.Repeat("x", 1000)+`"}}},`)
}

func endlessPages(w http.ResponseWriter, r *http.Request) {
	if isWatch(r) {
		refuseWatch(w)
		return
	}
	var page strings.Builder
	page.WriteString(strings.Replace(listOf(r), `"metadata":{`, `"metadata":{"continue":"more",`, 1))
	for i := range 100 {
		fmt.Fprintf(&page, `{"metadata":{"name":"%p-%d","namespace":"x","labels":{"a":%q}}},`, r, i, strings.Repeat("x", 4000))
	}
	_, _ = io.WriteString(w, strings.TrimSuffix(page.String(), ",")+"]}")
}

func emptyPages(w http.ResponseWriter, r *http.Request) {
	if isWatch(r) {
		refuseWatch(w)
		return
	}
	_, _ = io.WriteString(w, strings.Replace(listOf(r), `"metadata":{`, `"metadata":{"continue":"more",`, 1)+"]}")
}

func gzipBomb(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	packed := gzip.NewWriter(w)
	_, _ = io.WriteString(packed, listOf(r)+`{"metadata":{"name":"`)
	_ = Endless(packed, "x")
}

func yamlBomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	text := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	_, _ = io.WriteString(w, text)
}

// watchOrEmpty answers a list request with an empty list, so that the client watches.
func watchOrEmpty(w http.ResponseWriter, r *http.Request) bool {
	if !isWatch(r) {
		_, _ = io.WriteString(w, listOf(r)+"]}")
	}
	return isWatch(r)
}

func endlessObject(w http.ResponseWriter, r *http.Request) {
	if watchOrEmpty(w, r) {
		kind, version := kindOf(r)
		fmt.Fprintf(w, `{"type":"ADDED","object":{"kind":%q,"apiVersion":%q,"metadata":{"name":"`, kind, version)
		_ = Endless(w, "x")
	}
}

func objectOf(w http.ResponseWriter, r *http.Request, item string) {
	if watchOrEmpty(w, r) {
		kind, version := kindOf(r)
		fmt.Fprintf(w, `{"type":"ADDED","object":{"kind":%q,"apiVersion":%q,"metadata":{"name":"a"},"endpoints":[`, kind, version)
		_ = Endless(w, item)
	}
}

func endlessObjects(w http.ResponseWriter, r *http.Request) {
	if !watchOrEmpty(w, r) {
		return
	}
	kind, version := kindOf(r)
	for i := 0; ; i++ {
		_, err := fmt.Fprintf(w, `{"type":"ADDED","object":{"kind":%q,"apiVersion":%q,"metadata":{"name":"a%d","namespace":"x","resourceVersion":"%d",`+
			`"labels":{"a":%q}}}}`+"\n", kind, version, i, i+1, strings.Repeat("x", 2000))
		if err != nil {
			return
		}
	}
}

func endlessHeaders(w http.ResponseWriter, _ *http.Request) {
	for i := range 10_000 {
		w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
	}
}
