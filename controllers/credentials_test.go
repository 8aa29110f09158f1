package controllers

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// everySecret is for tests in which some object names every Secret.
func everySecret(context.Context, types.NamespacedName) bool { return true }

func TestASecretIsReadWhenItsVersionChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, name := newCredentials(w.Client, w.Client, everySecret), w.key("edge-ssh")
	key := func(version string) string {
		t.Helper()
		content, err := c.load(t.Context(), name, version, 1<<20)
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
		t.Errorf("a deleted Secret has the version %q", got)
	}
	if content, err := c.load(t.Context(), name, "", 1<<20); err != nil || content.version != "" {
		t.Errorf("a deleted Secret is %+v, error %v", content, err)
	}
	if content, found := c.last(name); !found || string(content.data["ssh-privatekey"]) != "new" {
		t.Errorf("last was %+v", content)
	}
}

func TestASecretThatIsDeletedDuringTheReadIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newCredentials(w.Client, w.Client, everySecret)
	if content, err := c.load(t.Context(), w.key("gone"), "17", 1<<20); err != nil || content.version != "" {
		t.Errorf("read %+v, error %v", content, err)
	}
}

func TestManyHostsShareOneReadOfASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, name := newCredentials(w.Client, w.Client, everySecret), w.key("edge-ssh")
	version, err := c.version(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var hosts sync.WaitGroup
	for range 50 {
		hosts.Go(func() {
			if content, err := c.load(t.Context(), name, version, 1<<20); err != nil || content.version != version {
				t.Errorf("read version %q, error %v", content.version, err)
			}
		})
	}
	hosts.Wait()
}

func TestUnusedSecretsAreDropped(t *testing.T) {
	t.Parallel()
	used, unused := types.NamespacedName{Name: "used"}, types.NamespacedName{Name: "unused"}
	c := newCredentials(nil, nil, func(_ context.Context, name types.NamespacedName) bool { return name == used })
	c.kept[used], c.kept[unused] = secret{version: "1"}, secret{version: "1"}
	c.prune(t.Context())
	if _, found := c.last(unused); found {
		t.Error("the unused one is kept")
	}
	if _, found := c.last(used); !found {
		t.Error("the used one was dropped")
	}
}

func TestOfASecretNothingIsKeptThatNobodyReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, name := newCredentials(w.Client, w.Client, everySecret), w.key("edge-ssh")
	change(w, name.Name, func(s *corev1.Secret) { s.Data["photo"] = bytes.Repeat([]byte("x"), 900<<10) })
	version, err := c.version(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	content, err := c.load(t.Context(), name, version, 1<<20)
	if err != nil || string(content.data["ssh-privatekey"]) != "right" || content.size > 100 {
		t.Errorf("%d bytes of %d keys are kept, error %v", content.size, len(content.data), err)
	}
}

func TestSecretsNamedOneAfterTheOtherAreNotAllKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var now string
	c := newCredentials(w.Client, w.Client, func(_ context.Context, name types.NamespacedName) bool { return name.Name == now })
	for i := range 5 {
		now = fmt.Sprintf("ssh-%d", i)
		w.create(&corev1.Secret{ObjectMeta: w.meta(now), Data: map[string][]byte{"known_hosts": make([]byte, 900<<10)}})
		version, err := c.version(t.Context(), w.key(now))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.load(t.Context(), w.key(now), version, 1<<20); err != nil {
			t.Fatal(err)
		}
		if _, found := c.last(w.key(now)); !found || len(c.kept) != 1 {
			t.Fatalf("%d Secrets are kept, that which is named among them: %t", len(c.kept), found)
		}
	}
}

func TestTheYoungestSecretsBeyondTheLimitOfANamespaceAreNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newCredentials(w.Client, w.Client, everySecret)
	load := func(name string, most int) secret {
		t.Helper()
		version, err := c.version(t.Context(), w.key(name))
		if err != nil {
			t.Fatal(err)
		}
		content, err := c.load(t.Context(), w.key(name), version, most)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	const size, room = 1000, 3500
	for _, name := range []string{"a", "b", "c", "d"} {
		w.create(&corev1.Secret{ObjectMeta: w.meta(name), Data: map[string][]byte{"known_hosts": make([]byte, size)}})
	}
	for range 2 {
		for name, want := range map[string]bool{"a": false, "b": false, "c": false} {
			if got := load(name, room); got.tooLarge != want || len(got.data["known_hosts"]) != size {
				t.Errorf("%s: too large is %t, and %d bytes are there", name, got.tooLarge, len(got.data["known_hosts"]))
			}
		}
		if got := load("d", room); !got.tooLarge || got.data != nil {
			t.Errorf("d: too large is %t, and %d bytes are there", got.tooLarge, len(got.data["known_hosts"]))
		}
	}
	if kept, _ := c.last(w.key("d")); kept.data != nil {
		t.Error("what is too large is kept")
	}
	if got := load("d", 2*room); got.tooLarge || len(got.data["known_hosts"]) != size {
		t.Error("with more room it is not read again")
	}
	if got := load("c", size); !got.tooLarge {
		t.Error("with less room it is still used")
	}
}
