package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// release says what to release, and where to.
type release struct {
	// folder gets the files; it is replaced as soon as all of them are there.
	folder string
	// kubectl renders config/.
	kubectl       string
	architectures []string
	// more are further files, such as the chart.
	more []string
}

// run releases the last commit of the repository that a folder belongs to.
func (r release) run(ctx context.Context, repository, version string) error {
	s, err := releasable(ctx, repository, version)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "edgelb-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	files := filepath.Join(scratch, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	if err := r.write(ctx, s, scratch, files); err != nil {
		return fmt.Errorf("release %s: %w", version, err)
	}
	if err := replaceFolder(r.folder, files); err != nil {
		return fmt.Errorf("write the release to %s: %w", r.folder, err)
	}
	fmt.Println(r.folder)
	return nil
}

// releasable returns the last commit of the repository that a folder belongs to. It refuses what nobody could build again from the
// version alone.
func releasable(ctx context.Context, repository, version string) (source, error) {
	if err := checkVersion(version); err != nil {
		return source{}, err
	}
	s, err := lastCommit(ctx, repository, version)
	if err != nil {
		return source{}, err
	}
	if s.changed != "" {
		return source{}, fmt.Errorf("release %s: the tree has changes that are in no commit: commit or remove them\n%s", s.version, s.changed)
	}
	tagged, err := git(ctx, s.root, "for-each-ref", "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)",
		"refs/tags/"+s.version)
	if err != nil {
		return source{}, err
	}
	if tagged != "" && tagged != s.revision {
		return source{}, fmt.Errorf("release %s: the tag %[1]s is commit %s, and the last commit is %s: check out the tag, or take another version",
			s.version, tagged, s.revision)
	}
	return s, nil
}

// write writes the release's files. The checksums come last, and are of all the others.
func (r release) write(ctx context.Context, s source, scratch, files string) error {
	index, err := s.build(ctx, scratch, r.architectures)
	if err != nil {
		return err
	}
	image := filepath.Join(scratch, "image")
	digest, err := writeLayout(image, s, index)
	if err != nil {
		return err
	}
	if err := packFolder(filepath.Join(files, "edgelb-"+s.version+"-image.tar"), image, s.time); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(files, "image-digest.txt"), []byte(digest+"\n"), 0o644); err != nil {
		return err
	}
	for name, from := range r.copies(s, scratch) {
		if err := copyFile(filepath.Join(files, name), from); err != nil {
			return err
		}
	}
	if err := r.manifests(ctx, s, treeIn(scratch), files); err != nil {
		return err
	}
	return writeChecksums(files)
}

// copies returns the files that are released as they are, by their names in the release.
func (r release) copies(s source, scratch string) map[string]string {
	copies := map[string]string{
		"LICENSE":            filepath.Join(treeIn(scratch), "LICENSE"),
		"edge-host-setup.sh": filepath.Join(treeIn(scratch), "hack", "edge-host-setup.sh"),
	}
	for _, architecture := range r.architectures {
		name := "edgelb-" + s.version + "-linux-" + architecture
		copies[name], copies[name+".spdx.json"] = binaryIn(scratch, architecture), sbomIn(scratch, architecture)
	}
	for _, file := range r.more {
		copies[filepath.Base(file)] = file
	}
	return copies
}

// manifests writes what is applied to a cluster: the operator with the released image, and the CRDs alone.
func (r release) manifests(ctx context.Context, s source, tree, files string) error {
	for name, folder := range map[string]string{"install.yaml": "config/default", "crds.yaml": "config/crd"} {
		text, err := output(exec.CommandContext(ctx, r.kubectl, "kustomize", filepath.Join(tree, folder)))
		if err != nil {
			return err
		}
		manifest, images := []byte(text+"\n"), 0
		if name == "install.yaml" {
			images = 1
		}
		latest := []byte("image: " + imageName + ":latest\n")
		if n := bytes.Count(manifest, latest); n != images {
			return fmt.Errorf("%s has the image %s:latest %d times, and should have it %d times: adapt hack/image/release.go", folder, imageName, n, images)
		}
		manifest = bytes.ReplaceAll(manifest, latest, []byte("image: "+imageName+":"+s.version+"\n"))
		if err := os.WriteFile(filepath.Join(files, name), manifest, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeChecksums writes what sha256sum --check reads.
func writeChecksums(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var sums bytes.Buffer
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), entry.Name())
	}
	return os.WriteFile(filepath.Join(folder, "SHA256SUMS"), sums.Bytes(), 0o644)
}

// packFolder packs all files below a folder into a tar archive, in the order of their names.
func packFolder(archive, folder string, modified time.Time) error {
	var files []file
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, err2 := filepath.Rel(folder, path)
		files = append(files, file{filepath.ToSlash(name), 0o644, content})
		return errors.Join(err, err2)
	})
	if err != nil {
		return err
	}
	packed, err := pack(files, modified)
	if err != nil {
		return err
	}
	return os.WriteFile(archive, packed, 0o644)
}

func copyFile(to, from string) error {
	if _, err := os.Stat(to); err == nil {
		return fmt.Errorf("two files of the release are called %s: rename %s", filepath.Base(to), from)
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm())
}

// replaceFolder puts a complete folder in place of another one, which may be on another file system.
func replaceFolder(folder, by string) error {
	next := filepath.Clean(folder) + ".new"
	if err := errors.Join(os.RemoveAll(next), os.MkdirAll(filepath.Dir(next), 0o755)); err != nil {
		return err
	}
	if err := os.CopyFS(next, os.DirFS(by)); err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.Rename(next, folder)
}
