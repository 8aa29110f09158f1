package controllers

import (
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestSecretIsReadWhenItsVersionChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, name := newCredentials(w.Client, w.Client), w.key("edge-ssh")
	key := func(version string) string {
		t.Helper()
		content, err := c.load(t.Context(), name, version)
		if err != nil {
			t.Fatal(err)
		}
		return string(content.data["ssh-privatekey"])
	}
	version := func() string {
		t.Helper()
		v, err := c.version(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := version()
	if got := key(first); got != "right" {
		t.Errorf("read %q", got)
	}
	change(w, name.Name, func(s *corev1.Secret) { s.Data["ssh-privatekey"] = []byte("new") })
	if got := key(first); got != "right" {
		t.Errorf("a version that is known was read again: %q", got)
	}
	if got := key(version()); got != "new" {
		t.Errorf("of the new version is read %q", got)
	}
	w.delete(&corev1.Secret{ObjectMeta: w.meta(name.Name)})
	if got := version(); got != "" {
		t.Errorf("a Secret that has gone has the version %q", got)
	}
	if content, err := c.load(t.Context(), name, ""); err != nil || content.version != "" {
		t.Errorf("a Secret that has gone is %+v, error %v", content, err)
	}
	if content, found := c.last(name); !found || string(content.data["ssh-privatekey"]) != "new" {
		t.Errorf("last was %+v", content)
	}
}

func TestSecretThatGoesWhileItIsReadIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newCredentials(w.Client, w.Client)
	if content, err := c.load(t.Context(), w.key("gone"), "17"); err != nil || content.version != "" {
		t.Errorf("read %+v, error %v", content, err)
	}
}

func TestManyHostsReadASecretTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, name := newCredentials(w.Client, w.Client), w.key("edge-ssh")
	version, err := c.version(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var hosts sync.WaitGroup
	for range 50 {
		hosts.Go(func() {
			if content, err := c.load(t.Context(), name, version); err != nil || content.version != version {
				t.Errorf("read version %q, error %v", content.version, err)
			}
		})
	}
	hosts.Wait()
}

func TestSecretsThatNobodyUsesAreForgotten(t *testing.T) {
	t.Parallel()
	used, unused := types.NamespacedName{Name: "used"}, types.NamespacedName{Name: "unused"}
	c := newCredentials(nil, nil)
	c.kept[used], c.kept[unused] = secret{version: "1"}, secret{version: "1"}
	c.prune(func(name types.NamespacedName) bool { return name == used })
	if _, found := c.last(unused); found {
		t.Error("the unused one is kept")
	}
	if _, found := c.last(used); !found {
		t.Error("the used one is gone")
	}
}
