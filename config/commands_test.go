package config_test

import (
	"context"
	"crypto/ed25519"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// notRun are the blocks of commands that the test cannot run, by the page and a text in the block, and why. Everything else that a
// page shows as sh is run. Of these, the shell reads the block, and kubectl judges the flags of each line that begins with it.
var notRun = []struct{ page, has, why string }{
	{"CONTRIBUTING.md", "kubectl logs", "it looks into a running edge host"},
	{"README.md", "make test", "this test is a part of it"},
	{"README.md", "make push", "it needs a registry"},
	{"README.md", "make image", "it needs nodes of kind or k3s"},
	{"docs/alerts.md", "kustomize config/prometheus", "it needs the CRDs of the Prometheus operator"},
	{"docs/alerts.md", "-n NAMESPACE NAME", "its names are placeholders"},
	{"docs/edge-hosts.md", "apt-get install sudo", "it changes the machine"},
	{"docs/edge-hosts.md", "edge-host-setup.sh", "it runs on an edge host, and test/e2e runs it there"},
	{"docs/edge-hosts.md", "userdel", "it runs on an edge host"},
	{"README.md", "helm uninstall", "it deletes the CRDs that all other pages need"},
	{"docs/guide-cert-manager.md", "--resolve app.example.com", "it connects to port 80 of an edge host"},
	{"docs/guide-cert-manager.md", "pod/selfcheck", "it needs a node that runs pods"},
	{"docs/guide-cert-manager.md", "certificates,challenges", "it needs cert-manager"},
	{"docs/guide-cilium-gateway.md", "kubectl get gateway", "it needs the Gateway API"},
	{"docs/guide-cilium-gateway.md", "whoami.example.com:443", "it connects to port 443 of an edge host"},
	{"docs/guide-cilium-gateway.md", "192.168.1.11:31080", "it runs on an edge host"},
	{"docs/guide-external-dns.md", "dig +short", "it needs external-dns"},
	{"docs/guide-gitops.md", "flux get kustomizations", "it needs Flux"},
	{"docs/guide-gitops.md", "configmap argocd-cm", "it needs Argo CD"},
	{"docs/guide-gitops.md", "argocd app wait", "it needs Argo CD"},
	{"docs/guide-ingress-nginx.md", "whoami.example.com", "it connects to port 443 of an edge host"},
	{"docs/guide-ingress-nginx.md", "10.42.0.9", "it runs on an edge host"},
	{"docs/guide-kubernetes-api.md", "kubeadm init", "it runs on a control plane node of kubeadm"},
	{"docs/guide-kubernetes-api.md", "198.51.100.1:6443", "it connects to port 6443 of an edge host"},
	{"docs/guide-nodeport.md", "nc -zv 192.0.2.77", "it runs on an edge host"},
	{"docs/guide-pair.md", "apt-get install haproxy keepalived", "it runs on an edge host"},
	{"docs/guide-pair.md", "https://203.0.113.10", "it connects to a virtual address"},
	{"docs/guide-pair.md", "systemctl stop haproxy", "it runs on an edge host"},
	{"docs/guide-pair.md", "condition=VirtualIPsHeld", "it needs hosts with keepalived"},
	{"docs/guide-two-clusters.md", "curl -sI", "it connects to port 80 of an edge host"},
	{"docs/guide-wireguard.md", "whoami.example.com", "it connects to port 443 of an edge host"},
	{"docs/guide-wireguard.md", "wg show", "it runs on an edge host with a tunnel"},
	{"docs/moving-from-ansible.md", "systemctl disable", "it stops services of this machine"},
	{"docs/moving-from-ansible.md", "ss -Htn", "it runs on an edge host"},
	{"docs/moving-from-ansible.md", "show proc", "it runs on an edge host"},
	{"docs/moving-from-ansible.md", "cp -p", "it runs on an edge host, and test/e2e runs it there"},
	{"docs/moving-from-ansible.md", "check-haproxy", "it runs on an edge host, and test/e2e runs it there"},
	{"docs/moving-from-metallb.md", "curl -sI", "it connects to port 443 of an edge host"},
	{"docs/moving-from-metallb.md", "patch service traefik", "it needs the Service of Traefik; test/e2e runs it with another one"},
	{"docs/quickstart.md", "make demo", "it builds a control plane and programs of its own"},
	{"docs/troubleshooting.md", "port-forward", "it needs an operator in a pod"},
}

var (
	// codeBlock is a block of code with its language. In a list it is indented.
	codeBlock  = regexp.MustCompile("(?ms)^( *)```([a-z]*)\n(.*?)^ *```$")
	makeTarget = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	kubectlRun = regexp.MustCompile(`(?m)^ *(kubectl [^|&;#<>\n]*)`)
	// otherShell is a language for which nobody would look, and which nothing would run.
	otherShell = regexp.MustCompile(`^(bash|shell|console|zsh)$`)
)

// shellBlock is a block of commands.
type shellBlock struct{ page, script string }

func TestEveryTargetOfMakeThatThePagesNameIsThere(t *testing.T) {
	t.Parallel()
	makefile := string(read(t, "../Makefile"))
	named := 0
	for _, page := range pages(t) {
		for _, match := range regexp.MustCompile("`make ([a-z][a-z-]*)[^`]*`").FindAllStringSubmatch(string(read(t, page)), -1) {
			named++
			checkTarget(t, page, makefile, match[1])
		}
	}
	for _, block := range shellBlocks(t) {
		for _, match := range makeTarget.FindAllStringSubmatch(block.script, -1) {
			named++
			checkTarget(t, block.page, makefile, match[1])
		}
	}
	if named < 15 {
		t.Errorf("the pages name %d targets", named)
	}
}

func checkTarget(t *testing.T, page, makefile, target string) {
	t.Helper()
	if !strings.Contains(makefile, "\n"+target+":") {
		t.Errorf("%s names make %s, which there is not", page, target)
	}
}

func TestEveryBlockThatIsNotRunSaysWhyAndIsShell(t *testing.T) {
	t.Parallel()
	kubectl := filepath.Join(controlPlane(t), "kubectl")
	blocks := shellBlocks(t)
	for _, entry := range notRun {
		if entry.why == "" || !slices.ContainsFunc(blocks, func(b shellBlock) bool { return b.page == entry.page && strings.Contains(b.script, entry.has) }) {
			t.Errorf("%s has no block of commands with %q, or the reason for not running it is missing: %q", entry.page, entry.has, entry.why)
		}
	}
	for _, block := range blocks {
		if reasonNotToRun(block) == "" {
			continue
		}
		check := exec.CommandContext(t.Context(), "sh", "-n")
		check.Stdin = strings.NewReader(block.script)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s\n%s", block.page, err, out, block.script)
		}
		for _, match := range kubectlRun.FindAllStringSubmatch(strings.ReplaceAll(block.script, "\\\n", " "), -1) {
			// What kubectl does not know it reports before it comes to --help.
			arguments := append(strings.Fields(match[1])[1:], "--help")
			if out, err := exec.CommandContext(t.Context(), kubectl, arguments...).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v: %s", block.page, match[1], err, out)
			}
		}
	}
}

func reasonNotToRun(block shellBlock) string {
	for _, entry := range notRun {
		if entry.page == block.page && strings.Contains(block.script, entry.has) {
			return entry.why
		}
	}
	return ""
}

// shellBlocks are the blocks of commands of all pages, in their order.
func shellBlocks(t *testing.T) []shellBlock {
	t.Helper()
	var blocks []shellBlock
	for _, page := range pages(t) {
		for _, match := range codeBlock.FindAllStringSubmatch(string(read(t, page)), -1) {
			if otherShell.MatchString(match[2]) {
				t.Errorf("%s has a block of %s: call it sh, so that it is run", page, match[2])
			}
			if match[2] == "sh" {
				script := strings.ReplaceAll("\n"+match[3], "\n"+match[1], "\n")
				blocks = append(blocks, shellBlock{strings.TrimPrefix(page, "../"), script})
			}
		}
	}
	return blocks
}

// runCommands runs the commands of each page, one block after the other, in a folder of its own with the manifests of the page.
// kubectl there knows the API server, as it is or as two clusters, make is that of the repository, and what the edge would answer comes
// from servers of the test.
func runCommands(t *testing.T, config *rest.Config, c client.Client) {
	stage := stageOf(t, config)
	// The README says so, and all other pages expect it.
	stage.run(t, shellBlock{"README.md", "make deploy"}, t.TempDir())
	giveToken(t, config, c)
	folders := map[string]string{}
	ran := 0
	for _, block := range shellBlocks(t) {
		if reasonNotToRun(block) != "" {
			continue
		}
		ran++
		if folders[block.page] == "" {
			folders[block.page] = t.TempDir()
			writeManifests(t, block.page, folders[block.page])
		}
		stage.run(t, block, folders[block.page])
	}
	if ran < 15 {
		t.Errorf("only %d blocks of commands were run", ran)
	}
}

// giveToken does what kube-controller-manager would do for the token of an account.
func giveToken(t *testing.T, config *rest.Config, c client.Client) {
	t.Helper()
	token := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "edgelb"}}
	if err := c.SubResource("token").Create(t.Context(), account, token); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "edgelb-token"}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Fatal(err)
	}
	secret.Data = map[string][]byte{"ca.crt": config.CAData, "token": []byte(token.Status.Token)}
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// stage is what surrounds the commands.
type stage struct {
	env     []string
	replace *strings.Replacer
}

// run runs a block of commands in a folder.
func (s stage) run(t *testing.T, block shellBlock, folder string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-eu", "-c", s.replace.Replace(block.script))
	command.Dir, command.Env = folder, s.env
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s\n%s", block.page, err, out, block.script)
	}
}

func stageOf(t *testing.T, config *rest.Config) stage {
	t.Helper()
	folder := t.TempDir()
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["test"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kubeconfig.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	for _, name := range []string{"a", "b"} {
		kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	}
	kubeconfig.CurrentContext = "a"
	path := filepath.Join(folder, "kubeconfig")
	if err := clientcmd.WriteToFile(*kubeconfig, path); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	sshd := listenSSH(t)
	_, sshPort, _ := net.SplitHostPort(sshd)
	tlsAddress := tls.Listener.Addr().String()
	server := config.Host
	if !strings.Contains(server, "://") {
		server = "https://" + server
	}
	repository, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return stage{
		env: append(os.Environ(), "PATH="+makeOf(t)+":"+controlPlane(t)+":"+os.Getenv("PATH"), "KUBECONFIG="+path,
			"KUBECACHEDIR="+filepath.Join(folder, "cache"), "HOME="+folder),
		replace: strings.NewReplacer(
			"-t ed25519 gw1.example.net 198.51.100.7", "-t ed25519 -p "+sshPort+" 127.0.0.1",
			"-t ed25519 198.51.100.1 ", "-t ed25519 -p "+sshPort+" 127.0.0.1 ",
			"-connect 198.51.100.1:443", "-connect "+tlsAddress, "-connect 198.51.100.7:443", "-connect "+tlsAddress,
			"kubectl kustomize config/", "kubectl kustomize "+repository+"/config/", "https://192.0.2.20:6443", server, "http://198.51.100.1/", web.URL+"/"),
	}
}

// makeOf is a folder with a make that finds the repository's Makefile from every folder.
func makeOf(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("make")
	if err != nil {
		t.Fatal(err)
	}
	root, err := programs.Root()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	script := "#!/bin/sh\nexec " + program + " -C '" + root + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(folder, "make"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

// listenSSH answers as sshd does until the host has shown its key.
func listenSSH(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	server := &ssh.ServerConfig{NoClientAuth: true}
	server.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accept.Each(t, listener, func(connection net.Conn) {
		// ssh-keyscan ends it when it has the key.
		_, _, _, _ = ssh.NewServerConn(connection, server)
	})
	return listener.Addr().String()
}

// writeManifests writes the manifests of a page as files with the name of their first object.
func writeManifests(t *testing.T, page, folder string) {
	t.Helper()
	for _, block := range blocksOf(t, "../"+page) {
		if strings.HasPrefix(block, "apiVersion:") {
			write(t, filepath.Join(folder, decode(t, page, []byte(block))[0].GetName()+".yaml"), []byte(block))
		}
	}
}
