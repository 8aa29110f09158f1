package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io"
	"path"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Where files are in the image. Go, like other programs, looks for certificates at this path, and scanners look there for an SBOM.
const (
	operatorPath     = "edgelb"
	certificatesPath = "etc/ssl/certs/ca-certificates.crt"
	sbomPath         = "var/lib/db/sbom/edgelb.spdx.json"
)

type file struct {
	path    string
	mode    int64
	content []byte
}

// certificates returns Mozilla's authorities, as Go has them. The operator needs them for other clusters: a kubeconfig without
// certificate-authority-data means the public ones. They are a file, and not part of the binary, so that who has authorities of their
// own can mount another one over it, and because an operator on a host that has such a file should use that. A program that reads a
// file knows no constraints, so that the few authorities that are trusted with constraints are left out.
func certificates() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return text.Bytes()
}

// newLayer makes a layer of files.
func newLayer(files []file, modified time.Time) (v1.Layer, error) {
	packed, err := pack(files, modified)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// pack makes a tar archive of files, and of the folders that they are in. Everything belongs to root, and is as old as the commit.
func pack(files []file, modified time.Time) ([]byte, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	seen := map[string]bool{".": true}
	for _, f := range files {
		if err := addFolder(w, path.Dir(f.path), seen, modified); err != nil {
			return nil, err
		}
		header := tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.content)), ModTime: modified}
		if err := w.WriteHeader(&header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// addFolder adds a folder after those that it is in, unless it was added before.
func addFolder(w *tar.Writer, folder string, seen map[string]bool, modified time.Time) error {
	if seen[folder] {
		return nil
	}
	seen[folder] = true
	if err := addFolder(w, path.Dir(folder), seen, modified); err != nil {
		return err
	}
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: modified})
}
