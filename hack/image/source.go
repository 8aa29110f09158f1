package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// operatorModule is the path of the module that is built.
const operatorModule = "github.com/edgelb/edgelb"

// source is the commit that is built.
type source struct {
	root, revision, version string
	// time is that of the commit, and everything that is built is as old.
	time time.Time
	// changed names the files of the working tree that are not as in the commit.
	changed string
}

// lastCommit returns the last commit of the repository that a folder belongs to. Without a version it has one that is made of the
// commit alone, as Go makes one: tags, which not every clone has, would change the digest.
func lastCommit(ctx context.Context, folder, version string) (source, error) {
	root, err := git(ctx, folder, "rev-parse", "--show-toplevel")
	if err != nil {
		return source{}, err
	}
	revision, err1 := git(ctx, root, "rev-parse", "HEAD")
	committed, err2 := git(ctx, root, "log", "-1", "--format=%ct")
	changed, err3 := git(ctx, root, "status", "--porcelain")
	if err := errors.Join(err1, err2, err3); err != nil {
		return source{}, err
	}
	epoch := cmp.Or(os.Getenv("SOURCE_DATE_EPOCH"), committed)
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return source{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: set it to seconds since 1970, or unset it for the time of the commit", epoch)
	}
	s := source{root: root, revision: revision, version: version, time: time.Unix(seconds, 0).UTC(), changed: changed}
	if version == "" {
		s.version = module.PseudoVersion("v0", "", s.time, revision[:12])
	}
	return s, checkVersion(s.version)
}

// checkVersion refuses what cannot be the version of a module and the tag of an image.
func checkVersion(version string) error {
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return fmt.Errorf("VERSION is %q, which is no semantic version: use one like v0.2.0 or v0.2.0-rc.1", version)
	}
	return nil
}

// export writes the files of the commit to a folder. They alone are built: whatever else lies in the working tree changes no digest.
func (s source) export(ctx context.Context, folder string) error {
	archive := folder + ".tar"
	if _, err := git(ctx, s.root, "archive", "--output", archive, s.revision); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	_, err := output(exec.CommandContext(ctx, "tar", "-xf", archive, "-C", folder))
	return err
}

// flags are those of the operator's build. The Dockerfile has the same.
func (s source) flags() []string {
	variables := operatorModule + "/internal/operator"
	linked := fmt.Sprintf("-s -w -X %[1]s.version=%[2]s -X %[1]s.revision=%[3]s", variables, s.version, s.revision)
	return []string{"-trimpath", "-buildvcs=false", "-ldflags", linked}
}

// compile builds the operator of an exported tree. Nothing of the environment may change it, and nothing of the repository but its
// files: Git's tags and state would.
func (s source) compile(ctx context.Context, tree, binary, architecture string) error {
	build := exec.CommandContext(ctx, "go", append(append([]string{"build"}, s.flags()...), "-o", binary, ".")...)
	build.Dir = tree
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture, "GOAMD64=v1", "GOARM64=v8.0",
		"GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off")
	_, err := output(build)
	return err
}

func git(ctx context.Context, folder string, arguments ...string) (string, error) {
	return output(exec.CommandContext(ctx, "git", append([]string{"-C", folder}, arguments...)...))
}

// output runs a program and returns what it printed. Its error has what the program printed as one.
func output(command *exec.Cmd) (string, error) {
	text, err := command.Output()
	name := filepath.Base(command.Args[0])
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%s is needed and not in PATH: install it", name)
	case errors.As(err, &exit):
		return "", fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	case err != nil:
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	return strings.TrimSpace(string(text)), nil
}
