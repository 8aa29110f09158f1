// Package kubeconfig reads what of a user's kubeconfig the operator uses to reach another cluster. It is pure.
package kubeconfig

import (
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters/bounds"
)

// Parse builds a client configuration from the content of the Secret of that name; nil if there is no Secret. Anybody who may write
// Secrets may have written it, so settings that would make the operator run programs, read its own files or trust any server are refused.
// The error is a sentence for its author, which repeats only names and the server of the kubeconfig.
func Parse(name types.NamespacedName, secret map[string][]byte) (*rest.Config, error) {
	if secret == nil {
		return nil, fmt.Errorf("the Secret %s does not exist: create it with the key %s", name, v1alpha1.SecretKeyKubeconfig)
	}
	text, found := secret[v1alpha1.SecretKeyKubeconfig]
	if !found {
		return nil, fmt.Errorf("the Secret %s has no key %s: add it, with a kubeconfig", name, v1alpha1.SecretKeyKubeconfig)
	}
	kubeconfig, err := clientcmd.Load(text)
	if err != nil {
		// The error may quote a part of the kubeconfig, such as a password.
		return nil, fmt.Errorf("the kubeconfig in Secret %s cannot be read: write one that kubectl --kubeconfig accepts", name)
	}
	config, reason := convert(kubeconfig)
	if reason != "" {
		return nil, fmt.Errorf("the kubeconfig in Secret %s %s", name, reason)
	}
	return config, nil
}

// convert converts the current context of a kubeconfig. The reason says why it cannot be used; empty if it can.
func convert(kubeconfig *clientcmdapi.Config) (config *rest.Config, reason string) {
	current := kubeconfig.Contexts[kubeconfig.CurrentContext]
	if current == nil {
		return nil, "names no current-context that it has: set it"
	}
	cluster, user := kubeconfig.Clusters[current.Cluster], kubeconfig.AuthInfos[current.AuthInfo]
	if cluster == nil || user == nil {
		return nil, fmt.Sprintf("lacks the cluster or the user of its current context: add cluster %q and user %q", current.Cluster, current.AuthInfo)
	}
	if reason := refuse(cluster, user); reason != "" {
		return nil, reason
	}
	config = &rest.Config{
		Host: cluster.Server,
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: cluster.TLSServerName, CAData: cluster.CertificateAuthorityData,
			CertData: user.ClientCertificateData, KeyData: user.ClientKeyData,
		},
		BearerToken: user.Token, Username: user.Username, Password: user.Password,
		Impersonate: rest.ImpersonationConfig{
			UserName: user.Impersonate, UID: user.ImpersonateUID, Groups: user.ImpersonateGroups, Extra: user.ImpersonateUserExtra,
		},
		UserAgent: "edgelb",
		// The memory that JSON will take can be computed before it is decoded.
		ContentConfig: rest.ContentConfig{ContentType: bounds.JSON, AcceptContentTypes: bounds.JSON},
		// Requests are few, and each has its own timeout.
		QPS: -1,
	}
	if cluster.ProxyURL != "" {
		proxy, err := url.Parse(cluster.ProxyURL)
		if err != nil || proxy.Host == "" {
			return nil, "has a proxy-url that cannot be read: write one such as http://proxy.example.com:3128"
		}
		config.Proxy = http.ProxyURL(proxy)
	}
	return config, ""
}

// refuse returns what is not allowed in a kubeconfig, and what to do instead; empty if all is allowed.
func refuse(cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) string {
	server, err := url.Parse(cluster.Server)
	// Statuses and logs contain the server's address.
	named := err == nil && server.User != nil
	notHTTPS := err != nil || server.Scheme != "https" || server.Hostname() == ""
	for _, rule := range []struct {
		broken bool
		reason string
	}{
		{notHTTPS, "has a server that does not begin with https://: write its address, such as https://192.0.2.1:6443"},
		{named, "has a user in the address of its server, which everybody may read: write username and password of the user instead"},
		{cluster.InsecureSkipTLSVerify, "has insecure-skip-tls-verify, which would give its credentials to anybody: " +
			"write certificate-authority-data instead"},
		{cluster.CertificateAuthority != "", "names a file as certificate-authority, which the operator does not read: " +
			"write certificate-authority-data instead, as kubectl config view --raw --flatten does"},
		{user.ClientCertificate != "" || user.ClientKey != "", "names a file as client-certificate or client-key, which the operator " +
			"does not read: write client-certificate-data and client-key-data instead, as kubectl config view --raw --flatten does"},
		{user.TokenFile != "", "names a file as tokenFile, which the operator does not read: write token instead"},
		{user.Exec != nil, "has an exec plugin, which the operator does not run: write the token of a ServiceAccount instead"},
		{user.AuthProvider != nil, "has an auth-provider, which the operator does not run: write the token of a ServiceAccount instead"},
	} {
		if rule.broken {
			return rule.reason
		}
	}
	return ""
}
