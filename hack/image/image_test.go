package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// maxSize is how large the image of a platform may be, compressed.
const maxSize = 40 << 20

// checkImages checks the images of a layout, and returns the folder with the files of the one for this machine.
func checkImages(t *testing.T, folder, revision string) string {
	index, err := imageOf(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Errorf("the image is no valid OCI image: %v", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	checkLabels(t, manifest.Annotations, revision)
	var unpacked string
	var found []string
	for _, of := range manifest.Manifests {
		if of.Platform == nil || of.Platform.OS != "linux" {
			t.Fatalf("%s is for %v", of.Digest, of.Platform)
		}
		image, err := index.Image(of.Digest)
		if err != nil {
			t.Fatal(err)
		}
		architecture := of.Platform.Architecture
		found = append(found, architecture)
		root := checkImage(t, image, architecture, revision)
		if architecture == runtime.GOARCH {
			unpacked = root
		}
	}
	if want := testedArchitectures(); !slices.Equal(found, want) {
		t.Errorf("there are images for %q, want %q", found, want)
	}
	return unpacked
}

func checkImage(t *testing.T, image v1.Image, architecture, revision string) string {
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.OS != "linux" || file.Architecture != architecture {
		t.Errorf("the configuration of the image for %s is of %s/%s", architecture, file.OS, file.Architecture)
	}
	c := file.Config
	if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/edgelb"}) || len(c.Cmd) > 0 || len(c.Env) > 0 {
		t.Errorf("user %q runs %q %q with %q", c.User, c.Entrypoint, c.Cmd, c.Env)
	}
	checkLabels(t, c.Labels, revision)
	checkSize(t, image)
	root := t.TempDir()
	unpackImage(t, image, root)
	binary := filepath.Join(root, operatorPath)
	checkBinary(t, binary, architecture)
	checkCertificates(t, readFile(t, filepath.Join(root, certificatesPath)))
	checkSBOM(t, readFile(t, filepath.Join(root, sbomPath)), binary)
	return root
}

func checkLabels(t *testing.T, labels map[string]string, revision string) {
	for _, name := range []string{"title", "description", "source", "licenses", "created"} {
		if labels[labelPrefix+name] == "" {
			t.Errorf("there is no label %s", name)
		}
	}
	if v, r := labels[labelPrefix+"version"], labels[labelPrefix+"revision"]; v != testVersion || r != revision {
		t.Errorf("the labels say that this is version %q of commit %q, want %q of %q", v, r, testVersion, revision)
	}
}

func checkSize(t *testing.T, image v1.Image) {
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, layer := range layers {
		compressed, err := layer.Size()
		if err != nil {
			t.Fatal(err)
		}
		size += compressed
	}
	t.Logf("%.1f MiB, compressed", float64(size)/(1<<20))
	if size > maxSize {
		t.Errorf("the image has %d bytes, and may have %d", size, maxSize)
	}
}

// unpackImage writes the files of an image to a folder, and compares them with those that belong there. What is not here is neither
// in the image: a shell, a package manager, accounts.
func unpackImage(t *testing.T, image v1.Image, root string) {
	extracted := mutate.Extract(image)
	defer extracted.Close()
	got := unpack(t, extracted, root)
	want := []string{"edgelb", "etc", "etc/ssl", "etc/ssl/certs", "etc/ssl/certs/ca-certificates.crt",
		"var", "var/lib", "var/lib/db", "var/lib/db/sbom", "var/lib/db/sbom/edgelb.spdx.json"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Fatalf("the files are %q, want %q", got, want)
	}
}

// unpack writes the files of an archive to a folder, and returns their names.
func unpack(t *testing.T, archive io.Reader, root string) []string {
	var names []string
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimSuffix(header.Name, "/"))
		if header.Uid != 0 || header.Gid != 0 || header.Mode&0o7022 != 0 {
			t.Errorf("%s belongs to %d:%d and has mode %o: the operator could change it, or become somebody else",
				header.Name, header.Uid, header.Gid, header.Mode)
		}
		if err := extract(root, header, reader); err != nil {
			t.Fatal(err)
		}
	}
}

func extract(root string, header *tar.Header, content io.Reader) error {
	path := filepath.Join(root, filepath.FromSlash(header.Name))
	if header.Typeflag == tar.TypeDir {
		return os.MkdirAll(path, 0o755)
	}
	if header.Typeflag != tar.TypeReg {
		return errors.New(header.Name + " is neither a file nor a folder")
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, os.FileMode(header.Mode))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

func checkBinary(t *testing.T, path, architecture string) {
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[architecture]; binary.Machine != want {
		t.Errorf("the operator is for %v, want %v", binary.Machine, want)
	}
	for _, program := range binary.Progs {
		if program.Type == elf.PT_INTERP || program.Type == elf.PT_DYNAMIC {
			t.Error("the operator is not linked statically")
		}
	}
}

func checkCertificates(t *testing.T, text []byte) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("no certificate is valid")
	}
	if n := bytes.Count(text, []byte("BEGIN CERTIFICATE")); n < 50 {
		t.Errorf("there are %d authorities", n)
	}
}

// checkSBOM compares the SBOM with what the binary says that it was linked from, as go version -m shows it.
func checkSBOM(t *testing.T, text []byte, binary string) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var sbom spdxDocument
	if err := json.Unmarshal(text, &sbom); err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, p := range sbom.Packages {
		listed[p.Name] = p.VersionInfo
	}
	want := map[string]string{operatorModule: testVersion, "stdlib": strings.TrimPrefix(info.GoVersion, "go")}
	for _, module := range info.Deps {
		want[module.Path] = module.Version
	}
	for name, version := range want {
		if listed[name] != version {
			t.Errorf("the SBOM has version %q of %s, and the binary %q", listed[name], name, version)
		}
	}
	if len(want) < 30 || listed[rootsModule] == "" || len(listed) != len(want)+1 {
		t.Errorf("the SBOM has %d packages, want %d and %s", len(listed), len(want), rootsModule)
	}
}

// checkItRuns runs the operator as a pod of the image: it says its version, and does both demos whole.
func checkItRuns(t *testing.T, root, repository, revision string) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("chroot takes root, and CI has to run every test")
		}
		t.Skip("chroot takes root: run make test with sudo for this")
	}
	command := exec.CommandContext(t.Context(), "/edgelb", "--version")
	command.Dir, command.Env = "/", []string{}
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	got, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	want := "edgelb " + testVersion + " (commit " + revision + ", " + runtime.Version() + ", linux/" + runtime.GOARCH + ")\n"
	if string(got) != want {
		t.Errorf("the operator says %q, want %q", got, want)
	}
	demo := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", demo, "./hack/demo")
	build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, flags := range [][]string{{"-once"}, {"-once", "-pair"}} {
		show := exec.CommandContext(t.Context(), demo, append(flags, "-image", root)...)
		show.Dir = repository
		text, err := show.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		t.Logf("%s", text)
	}
}

func readFile(t *testing.T, path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
