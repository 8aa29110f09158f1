package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/hostile"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// hostileHosts returns ten hosts that send unlimited data.
func hostileHosts() []hostile.Behaviour {
	exec := func(f func(*hostile.Answer)) hostile.Behaviour {
		return hostile.Behaviour{Exec: func(_ string, a *hostile.Answer) int { f(a); return 0 }}
	}
	flood := func(c ssh.Conn) {
		for {
			if _, _, err := c.SendRequest("flood@example.com", false, make([]byte, 30<<10)); err != nil {
				return
			}
		}
	}
	return []hostile.Behaviour{
		exec(func(a *hostile.Answer) { _ = a.Endless("x") }),
		exec(func(a *hostile.Answer) { _ = a.Endless("\n") }),
		exec(func(a *hostile.Answer) { _ = a.Endless("process 1 1 0 0 0 a\tb\tc\n") }),
		exec(func(a *hostile.Answer) { _ = hostile.Endless(a.Stderr(), "x") }),
		exec(func(a *hostile.Answer) { _ = a.Bytes(64 << 20) }),
		exec(func(a *hostile.Answer) { a.Hang() }),
		{Login: flood},
		{Open: func(ssh.NewChannel) bool { return true }},
		{Connection: func(c net.Conn) { _ = hostile.Endless(c, "x\r\n") }},
		{Banner: func() string { return strings.Repeat("x", 200<<10) }, Login: flood},
	}
}

// memory is the operator's memory cgroup: its limit, its peak, and the number of OOM kills.
type memory struct {
	t     *testing.T
	pid   int
	group string
}

// limitMemory sets a memory limit for the operator, if this process may do so.
func limitMemory(t *testing.T, pid int, limit int64) *memory {
	t.Helper()
	m := &memory{t: t, pid: pid}
	for root, file := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		group := filepath.Join(root, fmt.Sprintf("edgelb-e2e-%d", pid))
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil || os.Mkdir(group, 0o755) != nil {
			continue
		}
		m.group = group
		t.Cleanup(func() { _ = os.Remove(group) })
		err := os.WriteFile(filepath.Join(group, file), []byte(strconv.FormatInt(limit, 10)), 0o644)
		if err == nil {
			err = os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
		}
		if err == nil {
			t.Logf("the kernel limits the operator by %s", group)
			return m
		}
	}
	t.Log("this process may not limit the operator's memory: only its peak is measured")
	return m
}

// peak returns the operator's peak memory, in bytes.
func (m *memory) peak() int64 {
	m.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	must(m.t, err)
	for line := range strings.Lines(string(text)) {
		var kilobytes int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	m.t.Fatal("the kernel does not say how much memory the operator has had")
	return 0
}

// Ten hosts and two other clusters send without end, to an operator with the shipped memory limit.
func TestWhateverHostsAndClustersSendTheOperatorServesTheOthers(t *testing.T) {
	t.Parallel()
	c, err := startCluster(hostilePlane)
	must(t, err)
	t.Cleanup(func() { _ = c.operator.Close(); _ = c.Close() })
	limit, env, err := scene.ShippedMemory()
	must(t, err)
	must(t, c.operator.Stop())
	c.operator, err = kube.StartOperator(t.Context(), kube.OperatorOptions{
		Binary: c.binary, Kubeconfig: c.kubeconfig, Args: scene.OperatorArgs(), Env: env,
	})
	must(t, err)
	used := limitMemory(t, c.operator.PID(), limit)

	s := &scenario{world: c.newWorld(t)}
	s.hosts = append(s.hosts, s.host())
	s.secret = s.world.secret(s.hosts...)
	s.app = s.world.app("web", haproxy.ProxyV2, "web-a")
	s.elb = s.loadBalancer(s.hosts...)
	s.create(s.elb)
	s.awaitServed(s.gw1(), "web-a")

	evil := s.hostileObject()
	for name, attack := range map[string]string{"a": "an object of many objects", "b": "a list of empty objects"} {
		s.hostileCluster("evil-"+name, hostile.Attacks[attack])
	}
	previous := "web-a"
	for round := range 10 {
		pod := fmt.Sprintf("web-%d", round)
		must(t, s.app.AddPod(t.Context(), pod))
		must(t, s.app.DeletePod(t.Context(), previous))
		s.awaitServers(s.gw1(), pod)
		s.awaitNoOthers(s.gw1(), pod)
		previous = pod
	}
	s.requireServed(s.gw1(), previous)
	must(t, s.refresh(evil))
	for _, host := range evil.Status.Hosts {
		if host.State == v1alpha1.HostSynced {
			t.Errorf("%s is Synced", host.Name)
		}
	}
	if !c.operator.Running() {
		t.Fatal("the operator has ended")
	}
	if peak := used.peak(); peak > limit {
		t.Errorf("the operator took %d MiB, of %d", peak>>20, limit>>20)
	} else {
		t.Logf("the operator took %d MiB at most, of %d", peak>>20, limit>>20)
	}
}

// hostileObject creates an object with all hostile hosts.
func (s *scenario) hostileObject() *v1alpha1.EdgeLoadBalancer {
	s.t.Helper()
	elb := s.loadBalancer()
	elb.Name = "evil"
	for i, behaviour := range hostileHosts() {
		host, err := hostile.Start(s.t.Context(), hostile.Options{PrivateKey: s.key}, behaviour)
		must(s.t, err)
		s.t.Cleanup(host.Close)
		port := int32(host.Address.Port())
		elb.Spec.Hosts = append(elb.Spec.Hosts, v1alpha1.Host{
			Name: fmt.Sprintf("evil%d", i), Address: host.Address.Addr().String(), Port: &port, HostKeys: []string{host.HostKey()},
		})
	}
	elb.Spec.Listeners = []v1alpha1.Listener{{Name: "https", Target: "app", Bind: []v1alpha1.BindAddress{"ipv4@:8443"}}}
	s.create(elb)
	return elb
}

// hostileCluster creates an object whose target is in a cluster with this attack.
func (s *scenario) hostileCluster(name string, attack hostile.Attack) {
	s.t.Helper()
	server := hostile.StartCluster(attack)
	s.t.Cleanup(server.Close)
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: server.Authority}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: "t"}
	config.Contexts["x"], config.CurrentContext = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}, "x"
	text, err := clientcmd.Write(*config)
	must(s.t, err)
	s.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Data: map[string][]byte{"kubeconfig": text}})
	elb := s.loadBalancer(s.gw1())
	elb.Name, elb.Spec.Listeners[0].Name = name, name
	elb.Spec.Listeners[0].Bind = binds(s.gw1().Public, 9000+int(name[len(name)-1]))
	elb.Spec.Targets[0].Service.Namespace = "x"
	elb.Spec.Targets[0].Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: name}
	s.create(elb)
}
