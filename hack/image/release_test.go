package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// whole makes the tests build for every architecture; `make image-check` sets it.
var whole = flag.Bool("whole", false, "build for every architecture, and not only for this machine's")

const testVersion = "v0.0.0-test"

func testedArchitectures() []string {
	if *whole {
		return architectures
	}
	return []string{runtime.GOARCH}
}

// repository returns the folder of this repository.
func repository(t *testing.T) string {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// kubectl returns the one that the Makefile builds.
func kubectl(t *testing.T) string {
	found, err := filepath.Glob(filepath.Join(repository(t), "bin", "control-plane-*", "kubectl"))
	if err != nil || len(found) == 0 {
		t.Fatalf("there is no kubectl, error %v: run make control-plane", err)
	}
	return found[len(found)-1]
}

func TestAReleaseIsWholeAndTheSameWhenItIsBuiltAgain(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "clone")
	runGit(t, ".", "clone", "-q", repository(t), tree)
	revision := runGit(t, tree, "rev-parse", "HEAD")
	first := releaseOf(t, tree)

	t.Run("elsewhere, later, and in another environment", func(t *testing.T) {
		elsewhere := filepath.Join(t.TempDir(), "other", "clone")
		runGit(t, ".", "clone", "-q", repository(t), elsewhere)
		for name, value := range map[string]string{"TZ": "Asia/Tokyo", "LC_ALL": "C", "GOFLAGS": "-tags=none", "GOAMD64": "v3", "GOEXPERIMENT": "none"} {
			t.Setenv(name, value)
		}
		defer syscall.Umask(syscall.Umask(0o077))
		second := releaseOf(t, elsewhere)
		if a, b := readFile(t, filepath.Join(first, "SHA256SUMS")), readFile(t, filepath.Join(second, "SHA256SUMS")); !bytes.Equal(a, b) {
			t.Errorf("the checksums are\n%sand\n%s", a, b)
		}
	})
	t.Run("every file is there, with its checksum", func(t *testing.T) { checkFiles(t, first) })
	t.Run("the manifests name the image of the release", func(t *testing.T) { checkManifests(t, first) })
	t.Run("the Dockerfile builds the same binary, for the same user", func(t *testing.T) { checkDockerfile(t, first, tree, revision) })

	image := t.TempDir()
	archive, err := os.Open(filepath.Join(first, "edgelb-"+testVersion+"-image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	unpack(t, archive, image)
	var root string
	t.Run("the image has the operator and nothing that it does not need", func(t *testing.T) {
		root = checkImages(t, image, revision)
		index, err := imageOf(image)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := index.Digest()
		if got := strings.TrimSpace(string(readFile(t, filepath.Join(first, "image-digest.txt")))); err != nil || got != digest.String() {
			t.Errorf("image-digest.txt has %s, and the image is %s, error %v", got, digest, err)
		}
		t.Run("and runs as a pod", func(t *testing.T) { checkItRuns(t, root, repository(t), revision) })
	})
}

// releaseOf releases a repository and returns the folder of the release.
func releaseOf(t *testing.T, tree string) string {
	folder := filepath.Join(t.TempDir(), testVersion)
	chart := filepath.Join(t.TempDir(), "edgelb.tgz")
	writeFile(t, chart, "a chart\n")
	r := release{folder: folder, kubectl: kubectl(t), architectures: testedArchitectures(), more: []string{chart}}
	if err := r.run(t.Context(), tree, testVersion); err != nil {
		t.Fatal(err)
	}
	return folder
}

func checkFiles(t *testing.T, folder string) {
	want := []string{"LICENSE", "SHA256SUMS", "crds.yaml", "edge-host-setup.sh", "edgelb-" + testVersion + "-image.tar", "edgelb.tgz", "image-digest.txt", "install.yaml"}
	for _, architecture := range testedArchitectures() {
		binary := "edgelb-" + testVersion + "-linux-" + architecture
		want = append(want, binary, binary+".spdx.json")
		checkBinary(t, filepath.Join(folder, binary), architecture)
		checkSBOM(t, readFile(t, filepath.Join(folder, binary+".spdx.json")), filepath.Join(folder, binary))
		if info, err := os.Stat(filepath.Join(folder, binary)); err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s cannot be executed: %v, error %v", binary, info.Mode(), err)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("the files are %q, want %q", got, want)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = folder
	if text, err := check.CombinedOutput(); err != nil || bytes.Count(text, []byte(": OK\n")) != len(want)-1 {
		t.Errorf("sha256sum says %v: %s", err, text)
	}
}

func checkManifests(t *testing.T, folder string) {
	install, crds := readFile(t, filepath.Join(folder, "install.yaml")), readFile(t, filepath.Join(folder, "crds.yaml"))
	n, others := bytes.Count(install, []byte("image: ghcr.io/edgelb/edgelb:"+testVersion+"\n")), bytes.Count(install, []byte(":latest"))
	if n != 1 || others != 0 {
		t.Errorf("install.yaml has the image of the release %d times, and the latest one %d times", n, others)
	}
	const crd = "\nkind: CustomResourceDefinition\n"
	if n := bytes.Count(crds, []byte(crd)); n != 2 || bytes.Count(install, []byte(crd)) != n || bytes.Count(crds, []byte("\nkind: ")) != n {
		t.Errorf("crds.yaml has %d CRDs", n)
	}
}

// checkDockerfile runs the command with which the Dockerfile builds the operator.
func checkDockerfile(t *testing.T, folder, tree, revision string) {
	text := strings.ReplaceAll(string(readFile(t, filepath.Join(tree, "Dockerfile"))), "\\\n", "")
	build := regexp.MustCompile(`(?m)^RUN (.*go build.*) -o /edgelb \.$`).FindStringSubmatch(text)
	if build == nil {
		t.Fatal("the Dockerfile builds no /edgelb")
	}
	binary := filepath.Join(t.TempDir(), "edgelb")
	command := exec.CommandContext(t.Context(), "sh", "-c", build[1]+" -o "+binary+" .")
	command.Dir = tree
	command.Env = append(os.Environ(), "GOFLAGS=", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH, "VERSION="+testVersion, "REVISION="+revision)
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if !bytes.Equal(readFile(t, binary), readFile(t, filepath.Join(folder, "edgelb-"+testVersion+"-linux-"+runtime.GOARCH))) {
		t.Error("the Dockerfile builds another binary: compare its flags with those in hack/image/source.go")
	}
	for _, line := range []string{"USER " + user, `ENTRYPOINT ["/` + operatorPath + `"]`, "ARG VERSION REVISION"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the Dockerfile has no line %s", line)
		}
	}
}

func TestAReleaseIsRefusedWithASentence(t *testing.T) {
	for _, version := range []string{"", "0.2.0", "v0.2", "latest", "v0.2.0+build", "v0.2.0 -X main.x=y", "v01.2.0"} {
		refused(t, release{}, newRepository(t), version, "VERSION is", "use one like v0.2.0")
	}
	changed := newRepository(t)
	writeFile(t, filepath.Join(changed, "notes.txt"), "not committed")
	refused(t, release{}, changed, testVersion, "the tree has changes that are in no commit", "commit or remove them", "notes.txt")

	for _, flags := range [][]string{{"tag"}, {"tag", "-m", "annotated"}} {
		tagged := newRepository(t)
		runGit(t, tagged, append(flags, testVersion)...)
		of := runGit(t, tagged, "rev-parse", "HEAD")
		runGit(t, tagged, "commit", "-q", "--allow-empty", "-m", "later")
		refused(t, release{}, tagged, testVersion, "the tag "+testVersion+" is commit "+of, "check out the tag, or take another version")
	}
	refused(t, release{}, t.TempDir(), testVersion, "git", "not a git repository")
	refused(t, release{architectures: []string{"amd64"}}, newRepository(t), testVersion, "build for amd64", "main.go")
	t.Run("without Go", func(t *testing.T) {
		programs := t.TempDir()
		for _, program := range []string{"git", "tar"} {
			path, err := exec.LookPath(program)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path, filepath.Join(programs, program)); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", programs)
		refused(t, release{architectures: []string{"amd64"}}, newRepository(t), testVersion, "go is needed and not in PATH: install it")
	})
	t.Run("with a strange time", func(t *testing.T) {
		t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
		refused(t, release{}, newRepository(t), testVersion, `SOURCE_DATE_EPOCH is "yesterday"`, "unset it")
	})
}

func TestAReleaseIsRefusedIfAFileOfItIsMissing(t *testing.T) {
	tree := repository(t)
	s := source{version: testVersion}
	for _, test := range []struct {
		name    string
		release release
		folder  string
		want    []string
	}{
		{"no kubectl", release{kubectl: "no-such-kubectl"}, tree, []string{"no-such-kubectl is needed and not in PATH"}},
		{"no manifests", release{kubectl: kubectl(t)}, t.TempDir(), []string{"kustomize", "config/"}},
		{"another image in the manifests", release{kubectl: kubectl(t)}, otherImage(t), []string{"config/default has the image", "0 times", "adapt"}},
	} {
		checkError(t, test.name, test.release.manifests(t.Context(), s, test.folder, t.TempDir()), test.want...)
	}
	folder := t.TempDir()
	checkError(t, "no chart", copyFile(filepath.Join(folder, "chart.tgz"), filepath.Join(folder, "missing.tgz")), "missing.tgz: no such file")
	writeFile(t, filepath.Join(folder, "LICENSE"), "")
	checkError(t, "two files", copyFile(filepath.Join(folder, "LICENSE"), "LICENSE"), "two files of the release are called LICENSE: rename")
}

// otherImage returns a folder with config/, which has another image.
func otherImage(t *testing.T) string {
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "config"), os.DirFS(filepath.Join(repository(t), "config"))); err != nil {
		t.Fatal(err)
	}
	manager := filepath.Join(folder, "config", "manager", "manager.yaml")
	writeFile(t, manager, strings.ReplaceAll(string(readFile(t, manager)), imageName, "registry.example.net/other"))
	return folder
}

func TestAnUnknownCommandOrFlagIsRefused(t *testing.T) {
	checkError(t, "no command", command(t.Context(), nil), "usage: image build|push|releasable|release")
	checkError(t, "another command", command(t.Context(), []string{"load"}), "usage: image build|push|releasable|release")
	checkError(t, "another flag", command(t.Context(), []string{"build", "-tag=x"}), "not defined: -tag")
	checkError(t, "a version", command(t.Context(), []string{"build", "-version=1", "-o", t.TempDir()}), "use one like v0.2.0")
	checkError(t, "nothing to push", command(t.Context(), []string{"push"}), "set it to registry/name:tag")
	checkError(t, "no version", command(t.Context(), []string{"releasable"}), "use one like v0.2.0")
	checkError(t, "nothing to release", command(t.Context(), []string{"release"}), "use one like v0.2.0")
}

func TestWithoutAVersionItIsMadeOfTheCommitAlone(t *testing.T) {
	repository := newRepository(t)
	runGit(t, repository, "tag", "v7.0.0")
	s, err := lastCommit(t.Context(), repository, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := "v0.0.0-20260102030405-" + s.revision[:12]; s.version != want {
		t.Errorf("the version is %s, want %s", s.version, want)
	}
}

// refused fails the test unless the release ends with an error, which has these words, and leaves the previous one as it is.
func refused(t *testing.T, r release, repository, version string, words ...string) {
	t.Helper()
	r.folder = filepath.Join(t.TempDir(), "release")
	before := filepath.Join(r.folder, "before")
	if err := os.Mkdir(r.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, before, "")
	checkError(t, version, r.run(t.Context(), repository, version), words...)
	readFile(t, before)
}

func checkError(t *testing.T, of string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: there is no error", of)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the error does not have %q: %v", of, word, err)
		}
	}
}

// newRepository makes a repository with a commit of a program that does not compile.
func newRepository(t *testing.T) string {
	folder := t.TempDir()
	runGit(t, folder, "init", "-q")
	writeFile(t, filepath.Join(folder, "go.mod"), "module "+operatorModule+"\n\ngo 1.26.0\n")
	writeFile(t, filepath.Join(folder, "main.go"), "package main\n\nfunc main() { missing() }\n")
	runGit(t, folder, "add", ".")
	runGit(t, folder, "commit", "-q", "-m", "a commit")
	return folder
}

// runGit runs Git as somebody, at a time.
func runGit(t *testing.T, folder string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", append([]string{"-C", folder}, arguments...)...)
	command.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.net", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@example.net", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	text, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v: %s", arguments, err, text)
	}
	return strings.TrimSpace(string(text))
}

func writeFile(t *testing.T, path, content string) {
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
