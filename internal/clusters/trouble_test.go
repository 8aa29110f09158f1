package clusters

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestTheSentenceIsStableWhileTheCauseIs(t *testing.T) {
	t.Parallel()
	const server = "https://192.0.2.1:6443"
	from := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: port} }
	certificate := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	expired := func(at string) error {
		return certificate(x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired, Detail: at})
	}
	services := schema.GroupResource{Resource: "services"}
	for name, test := range map[string]struct {
		one, other error
		reason     string
		want       string
	}{
		"reset": {&net.OpError{Op: "read", Source: from(1), Err: os.NewSyscallError("read", syscall.ECONNRESET)},
			&net.OpError{Op: "read", Source: from(2), Err: os.NewSyscallError("read", syscall.ECONNRESET)},
			v1alpha1.ReasonClusterUnreachable, "(connection reset by peer)"},
		"slow":         {context.DeadlineExceeded, fmt.Errorf("get: %w", os.ErrDeadlineExceeded), v1alpha1.ReasonClusterUnreachable, "(it takes too long)"},
		"unnamed":      {&net.DNSError{Server: "a"}, &net.DNSError{Server: "b"}, v1alpha1.ReasonClusterUnreachable, "no address of its name"},
		"ended":        {io.EOF, io.ErrUnexpectedEOF, v1alpha1.ReasonClusterUnreachable, "the connection ended"},
		"expired":      {expired("now"), expired("later"), v1alpha1.ReasonClusterUnreachable, "its certificate is not valid now"},
		"unsigned":     {certificate(x509.UnknownAuthorityError{}), certificate(io.EOF), v1alpha1.ReasonClusterUnreachable, "certificate-authority-data"},
		"unauthorised": {apierrors.NewUnauthorized("a"), apierrors.NewUnauthorized("b"), v1alpha1.ReasonClusterUnauthorized, "does not accept the credentials"},
		"forbidden": {apierrors.NewForbidden(services, "", io.EOF), apierrors.NewForbidden(services, "x", nil),
			v1alpha1.ReasonClusterForbidden, "may not list a, list b, list c, list d, list e, list f, and 1 more on " + server},
		"broken": {apierrors.NewInternalError(io.EOF), apierrors.NewInternalError(context.Canceled), v1alpha1.ReasonClusterUnreachable, "answers with status 500"},
		"throttled": {apierrors.NewTooManyRequests("a", int(time.Second)), apierrors.NewTooManyRequests("b", 0), v1alpha1.ReasonClusterUnreachable,
			"answers with status 429"},
		"without EndpointSlices": {apierrors.NewGenericServerResponse(http.StatusNotFound, "list", services, "", "a", 0, true),
			apierrors.NewGenericServerResponse(http.StatusNotFound, "watch", services, "", "b", 0, true),
			v1alpha1.ReasonClusterUnreachable, "that it is Kubernetes 1.21 or newer"},
		"explained": {invalid("it is so"), fmt.Errorf("open: %w", invalid("it is so")), v1alpha1.ReasonClusterInvalid, "it is so"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lacks := func() []string {
				return []string{"list a", "list b", "list c", "list d", "list e", "list f", "list g"}
			}
			one, other := troubleOf(cluster, server, test.one, lacks), troubleOf(cluster, server, test.other, lacks)
			if *one != *other {
				t.Errorf("got\n%q and\n%q", one.sentence, other.sentence)
			}
			if one.reason != test.reason || !strings.Contains(one.sentence, test.want) {
				t.Errorf("got %s: %q, want %s: …%s…", one.reason, one.sentence, test.reason, test.want)
			}
		})
	}
}
