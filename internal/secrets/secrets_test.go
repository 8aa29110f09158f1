package secrets

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// world is a cluster with a Secret.
type world struct {
	client.Client
	t *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{fake.NewClientBuilder().Build(), t}
	w.create(&corev1.Secret{ObjectMeta: w.meta("edge-ssh"), Data: map[string][]byte{"ssh-privatekey": []byte("right")}})
	return w
}

func (w *world) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name}
}

func (w *world) create(secret *corev1.Secret) {
	w.t.Helper()
	if err := w.Create(w.t.Context(), secret); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) change(name string, edit func(*corev1.Secret)) {
	w.t.Helper()
	secret := &corev1.Secret{}
	if err := w.Get(w.t.Context(), w.key(name), secret); err != nil {
		w.t.Fatal(err)
	}
	edit(secret)
	if err := w.Update(w.t.Context(), secret); err != nil {
		w.t.Fatal(err)
	}
}

// everySecret is for tests in which some object names every Secret.
func everySecret(context.Context, types.NamespacedName) bool { return true }

func TestASecretIsReadWhenItsVersionChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, name := NewReader(w, w, everySecret), w.key("edge-ssh")
	key := func(version string) string {
		t.Helper()
		content, err := r.Load(t.Context(), name, version, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return string(content.Data["ssh-privatekey"])
	}
	version := func() string {
		t.Helper()
		v, err := r.Version(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := version()
	if got := key(first); got != "right" {
		t.Errorf("read %q", got)
	}
	w.change(name.Name, func(s *corev1.Secret) { s.Data["ssh-privatekey"] = []byte("new") })
	if got := key(first); got != "right" {
		t.Errorf("a version that is known was read again: %q", got)
	}
	if got := key(version()); got != "new" {
		t.Errorf("of the new version is read %q", got)
	}
	if err := w.Delete(t.Context(), &corev1.Secret{ObjectMeta: w.meta(name.Name)}); err != nil {
		t.Fatal(err)
	}
	if got := version(); got != "" {
		t.Errorf("a deleted Secret has the version %q", got)
	}
	if content, err := r.Load(t.Context(), name, "", 1<<20); err != nil || content.Version != "" {
		t.Errorf("a deleted Secret is %+v, error %v", content, err)
	}
	if content, found := r.Last(name); !found || string(content.Data["ssh-privatekey"]) != "new" {
		t.Errorf("last was %+v", content)
	}
}

func TestASecretThatIsDeletedDuringTheReadIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := NewReader(w, w, everySecret)
	if content, err := r.Load(t.Context(), w.key("gone"), "17", 1<<20); err != nil || content.Version != "" {
		t.Errorf("read %+v, error %v", content, err)
	}
}

func TestManyHostsShareOneReadOfASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, name := NewReader(w, w, everySecret), w.key("edge-ssh")
	version, err := r.Version(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var hosts sync.WaitGroup
	for range 50 {
		hosts.Go(func() {
			if content, err := r.Load(t.Context(), name, version, 1<<20); err != nil || content.Version != version {
				t.Errorf("read version %q, error %v", content.Version, err)
			}
		})
	}
	hosts.Wait()
}

func TestUnusedSecretsAreDropped(t *testing.T) {
	t.Parallel()
	used, unused := types.NamespacedName{Name: "used"}, types.NamespacedName{Name: "unused"}
	r := NewReader(nil, nil, func(_ context.Context, name types.NamespacedName) bool { return name == used })
	r.kept[used], r.kept[unused] = Secret{Version: "1"}, Secret{Version: "1"}
	r.Prune(t.Context())
	if _, found := r.Last(unused); found {
		t.Error("the unused one is kept")
	}
	if _, found := r.Last(used); !found {
		t.Error("the used one was dropped")
	}
}

func TestOfASecretNothingIsKeptThatNobodyReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, name := NewReader(w, w, everySecret), w.key("edge-ssh")
	w.change(name.Name, func(s *corev1.Secret) { s.Data["photo"] = bytes.Repeat([]byte("x"), 900<<10) })
	version, err := r.Version(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	content, err := r.Load(t.Context(), name, version, 1<<20)
	if err != nil || string(content.Data["ssh-privatekey"]) != "right" || content.size > 100 {
		t.Errorf("%d bytes of %d keys are kept, error %v", content.size, len(content.Data), err)
	}
}

func TestSecretsNamedOneAfterTheOtherAreNotAllKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var now string
	r := NewReader(w, w, func(_ context.Context, name types.NamespacedName) bool { return name.Name == now })
	for i := range 5 {
		now = fmt.Sprintf("ssh-%d", i)
		w.create(&corev1.Secret{ObjectMeta: w.meta(now), Data: map[string][]byte{"known_hosts": make([]byte, 900<<10)}})
		version, err := r.Version(t.Context(), w.key(now))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Load(t.Context(), w.key(now), version, 1<<20); err != nil {
			t.Fatal(err)
		}
		if _, found := r.Last(w.key(now)); !found || len(r.kept) != 1 {
			t.Fatalf("%d Secrets are kept, that which is named among them: %t", len(r.kept), found)
		}
	}
}

func TestTheYoungestSecretsBeyondTheLimitOfANamespaceAreNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := NewReader(w, w, everySecret)
	load := func(name string, most int) Secret {
		t.Helper()
		version, err := r.Version(t.Context(), w.key(name))
		if err != nil {
			t.Fatal(err)
		}
		content, err := r.Load(t.Context(), w.key(name), version, most)
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
			if got := load(name, room); got.TooLarge != want || len(got.Data["known_hosts"]) != size {
				t.Errorf("%s: too large is %t, and %d bytes are there", name, got.TooLarge, len(got.Data["known_hosts"]))
			}
		}
		if got := load("d", room); !got.TooLarge || got.Data != nil {
			t.Errorf("d: too large is %t, and %d bytes are there", got.TooLarge, len(got.Data["known_hosts"]))
		}
	}
	if kept, _ := r.Last(w.key("d")); kept.Data != nil {
		t.Error("what is too large is kept")
	}
	if got := load("d", 2*room); got.TooLarge || len(got.Data["known_hosts"]) != size {
		t.Error("with more room it is not read again")
	}
	if got := load("c", size); !got.TooLarge {
		t.Error("with less room it is still used")
	}
}

// Whoever may name a Secret in an object, but not read it, must not find it on a host.
func TestOnlyASecretForHostsIsKeptAsAWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := NewReader(w, w, everySecret)
	for kind, want := range map[corev1.SecretType]string{"edgelb.io/notify": "secret", corev1.SecretTypeOpaque: "", "kubernetes.io/service-account-token": ""} {
		name := w.key("a-" + strings.ReplaceAll(strings.ToLower(string(kind)), "/", "-"))
		w.create(&corev1.Secret{ObjectMeta: w.meta(name.Name), Type: kind, Data: map[string][]byte{"token": []byte("secret")}})
		version, err := r.Version(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"read", "kept"} {
			got, err := r.Load(t.Context(), name, version, 1<<20)
			if err != nil || string(got.Data["token"]) != want || got.ForHosts != (want != "") {
				t.Errorf("%s, %s: %+v, %v", kind, when, got, err)
			}
		}
	}
}
