package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// newImage writes an image of two platforms to a folder.
func newImage(t *testing.T) (folder string, image v1.ImageIndex) {
	// Nobody's credentials are used.
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	image, err := random.Index(1024, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	folder = filepath.Join(t.TempDir(), "image")
	if _, err := writeLayout(folder, source{version: testVersion}, image); err != nil {
		t.Fatal(err)
	}
	return folder, image
}

// at returns the name of an image in a registry.
func at(server *httptest.Server) string {
	return strings.TrimPrefix(server.URL, "http://") + "/edge/edgelb:v0.2.0"
}

func TestAPushedImageCanBePulledFromTheRegistry(t *testing.T) {
	folder, image := newImage(t)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	digest, err := push(t.Context(), folder, at(server))
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(at(server))
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Index(tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(pulled); err != nil {
		t.Error(err)
	}
	want, err1 := image.Digest()
	got, err2 := pulled.Digest()
	if err1 != nil || err2 != nil || got != want || digest != want.String() {
		t.Errorf("pulled %s and reported %s, want %s, errors %v, %v", got, digest, want, err1, err2)
	}
}

func TestAPushThatFailsSaysWhatToDo(t *testing.T) {
	folder, image := newImage(t)
	refusing := func(status int) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			if request.URL.Path != "/v2/" {
				w.WriteHeader(status)
			}
		}))
		t.Cleanup(server.Close)
		return server
	}
	away := httptest.NewServer(nil)
	away.Close()
	two, err := layout.FromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, folder, as string
		want             []string
	}{
		{"no name", folder, "", []string{`IMG is ""`, "set it to registry/name:tag"}},
		{"no tag", folder, "registry.example.net/edgelb", []string{"set it to registry/name:tag"}},
		{"a digest", folder, "registry.example.net/edgelb@sha256:" + strings.Repeat("0", 64), []string{"set it to registry/name:tag"}},
		{"no image", t.TempDir(), at(away), []string{"find an image in", "run make image"}},
		{"refused", folder, at(refusing(http.StatusForbidden)), []string{"push 127.0.0.1", "403", "Log in to the registry"}},
		{"unauthorized", folder, at(refusing(http.StatusUnauthorized)), []string{"push 127.0.0.1", "401", "Log in to the registry"}},
		{"broken", folder, at(refusing(http.StatusNotFound)), []string{"push 127.0.0.1", "404", "Check the registry's name"}},
		{"away", folder, at(away), []string{"push 127.0.0.1", "refused", "Check the registry's name"}},
	} {
		_, err := push(t.Context(), test.folder, test.as)
		checkError(t, test.name, err, test.want...)
	}
	if err := two.AppendIndex(image, layout.WithAnnotations(map[string]string{"another": "one"})); err != nil {
		t.Fatal(err)
	}
	_, err = push(t.Context(), folder, at(away))
	checkError(t, "two images", err, "it has 2 images, and not one")
}

func TestATagThatSomebodyElsePushesIsNoticed(t *testing.T) {
	folder, _ := newImage(t)
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	other, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	var tag name.Tag
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		inner.ServeHTTP(w, request)
		if request.Method == http.MethodPut && strings.HasSuffix(request.URL.Path, "/manifests/v0.2.0") && request.Header.Get("Somebody") == "" {
			if err := remote.Write(tag, other, remote.WithTransport(somebody{})); err != nil {
				t.Error(err)
			}
		}
	}))
	defer server.Close()
	if tag, err = name.NewTag(at(server)); err != nil {
		t.Fatal(err)
	}
	_, err = push(t.Context(), folder, at(server))
	checkError(t, "another image", err, "in the registry", "somebody else pushed this tag", "push again, or use another tag")
}

// somebody marks requests.
type somebody struct{}

func (somebody) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Somebody", "else")
	return http.DefaultTransport.RoundTrip(request)
}
