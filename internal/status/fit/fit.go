// Package fit makes text and whole statuses fit into what the API server takes, and into a message. It is pure.
package fit

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/sanitize"
)

const (
	// MessagesSize is the most that the messages of all hosts may take together, in bytes. etcd takes objects of 1.5 MB. The hosts'
	// other fields and their managers take half a megabyte with 500 hosts.
	MessagesSize = 256 << 10
	// HashSize is the most that a fingerprint may take, in bytes.
	HashSize = 128
	// installedCount is how many packages of a host are named that were installed there, and installedSize the most that each of them may take,
	// in bytes.
	installedCount, installedSize = 8, 128
	// allInstalledSize is the most that those of all hosts may take together, in bytes: two for each of 500 hosts.
	allInstalledSize = 64 << 10
	// ListSize is the most that a list in the summary may take, in bytes.
	ListSize = 1024
)

// Status returns a status that the API server accepts, whatever it contains: each string is printable and no longer than the CRD
// allows, and all of them together fit into an object.
func Status(status v1alpha1.EdgeLoadBalancerStatus) v1alpha1.EdgeLoadBalancerStatus {
	status = sanitize.All(status, sanitize.Message)
	for i := range status.Hosts {
		host := &status.Hosts[i]
		host.Message = sanitize.Line(host.Message, messageSize(len(status.Hosts)))
		host.HAProxyVersion = sanitize.Line(host.HAProxyVersion, sanitize.Name)
		host.Installed = installed(host.Installed, allInstalledSize/len(status.Hosts))
		host.ConfigHash = sanitize.Line(host.ConfigHash, HashSize)
	}
	return status
}

// installed returns the names of packages, as many as fit into that many bytes.
func installed(names []string, size int) []string {
	var fitting []string
	for _, name := range names[:min(len(names), installedCount)] {
		name = sanitize.Line(name, installedSize)
		if size -= len(name); size < 0 {
			break
		}
		fitting = append(fitting, name)
	}
	return fitting
}

// messageSize returns the most that the message of one of so many hosts may take, in bytes.
func messageSize(hosts int) int {
	return min(sanitize.Message, MessagesSize/max(hosts, 1))
}

// NotWritten is the message of a condition whose own message could not be written.
const NotWritten = "the API server does not take the whole status, and the operator's log says why: this is what could be written"

// Shortened returns the status with everything that programs rely on, and without text from outside. It is for an API server that
// rejects the whole status.
func Shortened(status v1alpha1.EdgeLoadBalancerStatus) v1alpha1.EdgeLoadBalancerStatus {
	status.Hosts = append([]v1alpha1.HostStatus(nil), status.Hosts...)
	for i := range status.Hosts {
		status.Hosts[i].Message, status.Hosts[i].HAProxyVersion, status.Hosts[i].Installed = "", "", nil
	}
	status.Conditions = append([]metav1.Condition(nil), status.Conditions...)
	for i := range status.Conditions {
		status.Conditions[i].Message = NotWritten
	}
	status.Summary.Binds, status.Summary.NotSynced = "", ""
	return status
}

// Listed joins words with commas, as many as fit, and counts the rest.
func Listed(words []string) string {
	size := 0
	for i, word := range words {
		size += len(word) + len(",")
		if size > ListSize-len(", and 500 more") {
			return fmt.Sprintf("%s, and %d more", strings.Join(words[:i], ","), len(words)-i)
		}
	}
	return strings.Join(words, ",")
}

// Few joins the first words, and counts the rest.
func Few(words []string) string { return strings.Join(sanitize.First(words, 5), ", ") }

// Phrases joins phrases. It shortens long ones, and counts those beyond the limit.
func Phrases(all []string) string {
	const shown, longest = 5, 160
	short := slices.Clone(sanitize.First(all, shown))
	for i, phrase := range short {
		if runes := []rune(phrase); len(runes) > longest {
			short[i] = string(runes[:longest]) + "…"
		}
	}
	return strings.Join(short, "; ")
}
