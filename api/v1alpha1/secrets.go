package v1alpha1

// The keys of Secrets that are read: the SSH private key, its certificate, the previous private key and the known_hosts that log in to
// hosts, and the kubeconfig of another cluster. Kubernetes' type kubernetes.io/ssh-auth has the first one as well.
const (
	SecretKeyPrivateKey  = "ssh-privatekey"
	SecretKeyCertificate = "ssh-privatekey-cert.pub"
	SecretKeyPreviousKey = "ssh-privatekey-previous"
	SecretKeyKnownHosts  = "known_hosts"
	SecretKeyKubeconfig  = "kubeconfig"
)

// SecretTypeNotify is the type of the Secrets that spec.virtualIPs.notifySecretRef may name. Their content reaches hosts: without a type of
// their own, whoever may write an EdgeLoadBalancer could read every Secret of the namespace on a host.
const SecretTypeNotify = "edgelb.io/notify"
