package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/status"
)

// The end of an SSH certificate is in the status and the metrics while everything is still in order, and gone once it is renewed.
func TestTheEndOfAnSSHCertificateIsReportedBeforeItComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	for _, test := range []struct {
		left     time.Duration
		reported bool
	}{{2 * time.Hour, true}, {90 * time.Hour, false}, {-time.Minute, true}} {
		end := time.Now().Add(test.left).UTC().Truncate(time.Second)
		w.setCertificate(end)
		w.becomes("web", fmt.Sprintf("reports %s left: %t", test.left, test.reported), func(o *v1alpha1.EdgeLoadBalancer) bool {
			notice := "is valid until " + end.Format(time.RFC3339)
			for _, name := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionHostsSynced} {
				condition := meta.FindStatusCondition(o.Status.Conditions, name)
				if condition == nil || strings.Contains(condition.Message, notice) != test.reported || strings.Contains(condition.Message, "is valid until") != test.reported {
					return false
				}
			}
			return isReady(o) && len(o.Status.Hosts) == 1 && strings.Contains(o.Status.Hosts[0].Message, notice) == test.reported
		})
		if test.reported {
			w.eventReported("web", "", status.EventCertificateExpires)
		}
		want := fmt.Sprintf("edgelb_credential_expiry_timestamp_seconds{ssh-certificate,%s,edge-ssh}", w.namespace)
		w.eventually("the metric has the end", func() error {
			if got := values(t, w.registry)[want]; int64(got) != end.Unix() {
				return fmt.Errorf("%s is %.0f, want %d", want, got, end.Unix())
			}
			return nil
		})
	}
}

// setCertificate puts a certificate with that end into the Secret; see fakeHosts.
func (w *world) setCertificate(end time.Time) {
	w.t.Helper()
	change(w, "edge-ssh", func(s *corev1.Secret) { s.Data["ssh-privatekey-cert.pub"] = []byte(end.Format(time.RFC3339)) })
}
