// Command image builds the operator's image and the files of a release, and pushes the image, without a container engine and without a
// base image. It is a module of its own, so that the operator's go.mod has none of its dependencies. (ko can take its base from a
// registry or from docker only.)
//
// One commit, one version and one Go release give one digest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

const usage = `usage: image build|push|releasable|release
  build   [-version VERSION] -o FOLDER    builds the last commit's image into FOLDER, an OCI layout
  push    -from FOLDER NAME               pushes that image to a registry
  releasable -version VERSION             says why the last commit cannot be released as VERSION
  release -version VERSION -o FOLDER -kubectl PROGRAM [FILE…]
                                          writes everything that a release has into FOLDER, and adds the FILEs`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func command(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New(usage)
	}
	set := flag.NewFlagSet("image", flag.ContinueOnError)
	output := set.String("o", "", "folder to write; it is replaced")
	version := set.String("version", "", "version, such as v0.2.0; default of build: one that is made of the commit")
	from := set.String("from", "", "folder with the OCI layout to push")
	kubectl := set.String("kubectl", "kubectl", "program that renders config/")
	if err := set.Parse(arguments[1:]); err != nil {
		return err
	}
	switch arguments[0] {
	case "build":
		return buildCommand(ctx, *version, *output)
	case "push":
		digest, err := push(ctx, *from, set.Arg(0))
		if err == nil {
			fmt.Printf("%s@%s\n", set.Arg(0), digest)
		}
		return err
	case "releasable":
		_, err := releasable(ctx, ".", *version)
		return err
	case "release":
		r := release{folder: *output, kubectl: *kubectl, architectures: architectures, more: set.Args()}
		return r.run(ctx, ".", *version)
	}
	return errors.New(usage)
}

// buildCommand builds the image of every architecture.
func buildCommand(ctx context.Context, version, output string) error {
	s, err := lastCommit(ctx, ".", version)
	if err != nil {
		return err
	}
	if s.changed != "" {
		fmt.Fprintln(os.Stderr, "changes that are not committed are not in the image")
	}
	scratch, err := os.MkdirTemp("", "edgelb-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	index, err := s.build(ctx, scratch, architectures)
	if err != nil {
		return err
	}
	digest, err := writeLayout(filepath.Clean(output), s, index)
	if err != nil {
		return fmt.Errorf("write the image to %s: %w", output, err)
	}
	fmt.Printf("%s@%s\n", output, digest)
	return nil
}
