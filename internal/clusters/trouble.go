package clusters

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters/bounds"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// trouble is why a cluster cannot be read: a reason of package v1alpha1, and a sentence that is stable while the cause is. It
// contains no text from the cluster's responses, which are not trusted.
type trouble struct {
	reason, sentence string
}

// Error implements error.
func (t *trouble) Error() string { return t.sentence }

func invalid(format string, args ...any) *trouble {
	return &trouble{v1alpha1.ReasonClusterInvalid, fmt.Sprintf(format, args...)}
}

// kept ends the sentences about clusters whose last known servers stay in use.
const kept = "The servers that were last known are kept"

// troubleOf describes why a request to a cluster failed. It calls missingRights if the cluster denied the request.
func troubleOf(key Key, server string, err error, missingRights func() []string) *trouble {
	var known *trouble
	var tooMuch *bounds.TooMuchError
	var share *shareError
	status := apierrors.APIStatus(nil)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &tooMuch):
		return &trouble{v1alpha1.ReasonClusterUnreachable, fmt.Sprintf("%s, the cluster of Secret %s, sends too much: %s. See what answers there. %s",
			server, key, tooMuch, kept)}
	case errors.As(err, &share):
		return &trouble{v1alpha1.ReasonClusterUnreachable, fmt.Sprintf("what is read of other clusters takes more than %d bytes, and of the cluster of "+
			"Secret %s it is most: let fewer targets name it, or serve it with an operator of its own", mostOfAll, key)}
	case errors.Is(err, bounds.ErrFormat):
		return away(key, server, "answers with something else than JSON")
	case apierrors.IsUnauthorized(err):
		return &trouble{v1alpha1.ReasonClusterUnauthorized, fmt.Sprintf("%s does not accept the credentials of the kubeconfig in Secret %s: "+
			"they may have expired; write new ones. %s", server, key, kept)}
	case apierrors.IsForbidden(err):
		return &trouble{v1alpha1.ReasonClusterForbidden, fmt.Sprintf("the user of the kubeconfig in Secret %s may not %s on %s: "+
			"give it a role with that. %s", key, phrase(missingRights()), server, kept)}
	case apierrors.IsNotFound(err):
		return &trouble{v1alpha1.ReasonClusterUnreachable, fmt.Sprintf("%s, the cluster of Secret %s, does not know what is read of it: Services, "+
			"EndpointSlices of discovery.k8s.io/v1 and nodes. Check that its address is complete, and that it is Kubernetes 1.21 or newer. %s",
			server, key, kept)}
	case errors.As(err, &status) && status.Status().Code != 0:
		code := int(status.Status().Code)
		return away(key, server, fmt.Sprintf("answers with status %d (%s)", code, http.StatusText(code)))
	default:
		return away(key, server, "does not answer ("+describeNoResponse(err)+")")
	}
}

func away(key Key, server, what string) *trouble {
	return &trouble{v1alpha1.ReasonClusterUnreachable, fmt.Sprintf("%s, the cluster of Secret %s, %s: check that the operator "+
		"can reach it. %s", server, key, what, kept)}
}

// describeNoResponse says why there was no response. It omits ports and times, which differ between attempts.
func describeNoResponse(err error) string {
	var number syscall.Errno
	var lookup *net.DNSError
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return describeCertificateError(certificate.Err)
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &lookup):
		return "there is no address of its name"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return "it takes too long"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended"
	default:
		return "nothing came that can be read"
	}
}

func describeCertificateError(err error) string {
	var name x509.HostnameError
	var expired x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return "its certificate is for another name: write tls-server-name into the kubeconfig"
	case errors.As(err, &expired):
		return "its certificate is not valid now"
	default:
		return "its certificate is not signed by what the kubeconfig has as certificate-authority-data, or by a public authority if it has none"
	}
}

// phrase joins rights, such as "list services in namespace web, watch nodes, and 3 more".
func phrase(rights []string) string {
	return strings.Join(sanitize.First(rights, 6), ", ")
}
