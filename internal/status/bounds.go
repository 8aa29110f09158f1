package status

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/sanitize"
)

const (
	// messagesSize is what the messages of all hosts may take together, in bytes. etcd takes objects of 1.5 MB, of which the hosts'
	// other fields, and who manages each, are half a megabyte where there are 500 hosts.
	messagesSize = 256 << 10
	// hashSize is what a fingerprint may take, in bytes.
	hashSize = 128
	// listSize is what a list in the summary may take, in bytes.
	listSize = 1024
)

// bounded is a status that the API server takes, whatever it is made of: each string has the length that the CRD allows and can be
// printed, and all of them together fit into an object.
func bounded(status v1alpha1.EdgeLoadBalancerStatus) v1alpha1.EdgeLoadBalancerStatus {
	status = sanitize.All(status, sanitize.Message)
	for i := range status.Hosts {
		host := &status.Hosts[i]
		host.Message = sanitize.Line(host.Message, messageSize(len(status.Hosts)))
		host.HAProxyVersion = sanitize.Line(host.HAProxyVersion, sanitize.Name)
		host.ConfigHash = sanitize.Line(host.ConfigHash, hashSize)
	}
	return status
}

// messageSize is what the message of one of so many hosts may take, in bytes.
func messageSize(hosts int) int {
	return min(sanitize.Message, messagesSize/max(hosts, 1))
}

// notWritten is what a condition says where its message could not be written.
const notWritten = "the API server does not take the whole status, and the operator's log says why: this is what could be written"

// Shortened is a status with all that programs rely on, and with nothing that comes from outside: it is for an API server that does not
// take the whole of it.
func Shortened(status v1alpha1.EdgeLoadBalancerStatus) v1alpha1.EdgeLoadBalancerStatus {
	status.Hosts = append([]v1alpha1.HostStatus(nil), status.Hosts...)
	for i := range status.Hosts {
		status.Hosts[i].Message, status.Hosts[i].HAProxyVersion = "", ""
	}
	status.Conditions = append([]metav1.Condition(nil), status.Conditions...)
	for i := range status.Conditions {
		status.Conditions[i].Message = notWritten
	}
	status.Summary.Binds, status.Summary.NotSynced = "", ""
	return status
}

// listed joins words by commas, as many as there is room for, and counts the others.
func listed(words []string) string {
	size := 0
	for i, word := range words {
		size += len(word) + len(",")
		if size > listSize-len(", and 500 more") {
			return fmt.Sprintf("%s, and %d more", strings.Join(words[:i], ","), len(words)-i)
		}
	}
	return strings.Join(words, ",")
}
