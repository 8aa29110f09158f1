package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// controlPlaneBinaries is the directory of the control plane's programs: the one that KUBEBUILDER_ASSETS names, as in
// other projects, else the one that `make control-plane` fills.
func controlPlaneBinaries(root string) (string, error) {
	candidates := []string{os.Getenv("KUBEBUILDER_ASSETS")}
	if candidates[0] == "" {
		var err error
		if candidates, err = filepath.Glob(filepath.Join(root, "bin", "control-plane-*")); err != nil {
			return "", err
		}
	}
	for _, dir := range candidates {
		if hasAll(dir, "etcd", "kube-apiserver", "kube-controller-manager", "kubectl") {
			return dir, nil
		}
	}
	return "", errors.New("no programs for a Kubernetes control plane: run `make control-plane`")
}

func hasAll(dir string, programs ...string) bool {
	for _, program := range programs {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}

// RepositoryRoot is the directory with go.mod, at or above the working directory.
func RepositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("the lab needs the project's files: run it inside the repository")
}

// healthy returns a check that the URL answers with 200.
func healthy(via *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := via.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}
