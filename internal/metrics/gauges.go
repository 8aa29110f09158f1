package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status"
)

// Gauges report the hosts of every object. They are computed from the records at each scrape, so that they are never outdated, and
// disappear with the object or the host.
type Gauges struct {
	objects func() ([]v1alpha1.EdgeLoadBalancer, error)
	records *record.Store

	hostState, suspended, reloadWaits, servers, serversUp, targetServers, targetServersUp, targetServersDown *prometheus.Desc
	lastProof, lastChange, lastReload, oldWorkers, failedReloads, virtualIPs                                 *prometheus.Desc
}

// NewGauges returns gauges to register. objects returns all EdgeLoadBalancers; it is called at each scrape.
func NewGauges(objects func() ([]v1alpha1.EdgeLoadBalancer, error), records *record.Store) *Gauges {
	gauge := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"namespace", "name", "host"}, more...), nil)
	}
	return &Gauges{
		objects: objects, records: records,
		hostState: gauge("edgelb_host_state", "1 for the state that the host is in, 0 for the others.", "state"),
		suspended: gauge("edgelb_host_suspended", "1 if spec.suspend keeps the host from being changed, else 0."),
		reloadWaits: gauge("edgelb_host_reload_waits",
			"1 if a reload waits because many previous HAProxy workers still serve open connections, else 0."),
		servers:   gauge("edgelb_servers", "The object's servers that the host's HAProxy has."),
		serversUp: gauge("edgelb_servers_up", "The object's servers that the host's HAProxy takes for up."),
		targetServers: gauge("edgelb_target_servers",
			"The target's servers that the host's HAProxy has, as it last said.", "target"),
		targetServersUp: gauge("edgelb_target_servers_up",
			"The target's servers that the host's HAProxy takes for up, as it last said.", "target"),
		targetServersDown: gauge("edgelb_target_servers_down",
			"The target's servers whose health checks fail on the host, by how they do.", "target", "check"),
		lastProof: gauge("edgelb_last_proof_timestamp_seconds",
			"When the host was last proved to run what is wanted of it, in seconds since 1970."),
		lastChange: gauge("edgelb_last_change_timestamp_seconds",
			"When what the host runs was last changed, in seconds since 1970."),
		lastReload: gauge("edgelb_last_reload_timestamp_seconds",
			"When HAProxy was last reloaded for edgelb, in seconds since 1970."),
		oldWorkers: gauge("edgelb_haproxy_old_workers",
			"HAProxy's workers that live on after a reload until their last connection ends."),
		failedReloads: gauge("edgelb_haproxy_failed_reloads",
			"Reloads that failed since the last one that did not, as HAProxy's master says."),
		virtualIPs: gauge("edgelb_host_virtual_ips",
			"1 for what the host is for the object's virtual addresses, 0 for the others; none if that is not known.", "role"),
	}
}

// Describe implements prometheus.Collector.
func (g *Gauges) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		g.hostState, g.suspended, g.reloadWaits, g.servers, g.serversUp, g.targetServers, g.targetServersUp, g.targetServersDown,
		g.lastProof, g.lastChange, g.lastReload, g.oldWorkers, g.failedReloads, g.virtualIPs,
	} {
		to <- desc
	}
}

// Collect implements prometheus.Collector. A standby replica knows nothing of hosts.
func (g *Gauges) Collect(to chan<- prometheus.Metric) {
	if !g.records.Began() {
		return
	}
	objects, err := g.objects()
	if err != nil {
		to <- prometheus.NewInvalidMetric(g.hostState, err)
		return
	}
	for i := range objects {
		object := &objects[i]
		for _, sample := range status.SamplesOf(object, g.records.Get) {
			g.collect(to, object, sample)
		}
	}
}

func (g *Gauges) collect(to chan<- prometheus.Metric, object *v1alpha1.EdgeLoadBalancer, sample status.Sample) {
	send := func(desc *prometheus.Desc, value float64, more ...string) {
		labels := append([]string{object.Namespace, object.Name, sample.Host.Name}, more...)
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, state := range reason.States() {
		send(g.hostState, oneIf(sample.Host.State == state), string(state))
	}
	send(g.suspended, oneIf(sample.Suspended))
	send(g.reloadWaits, oneIf(sample.ReloadWaits))
	send(g.servers, float64(sample.Host.Servers))
	send(g.serversUp, float64(sample.Host.ServersUp))
	for target, count := range sample.Targets {
		send(g.targetServers, float64(count.Total), target)
		send(g.targetServersUp, float64(count.Up), target)
	}
	for down, count := range downBy(sample.Down) {
		send(g.targetServersDown, float64(count), down.target, down.check)
	}
	if is := sample.Host.VirtualIPs; is != "" {
		for _, role := range []v1alpha1.VirtualIPRole{v1alpha1.VirtualIPMaster, v1alpha1.VirtualIPBackup, v1alpha1.VirtualIPFault} {
			send(g.virtualIPs, oneIf(is == role), string(role))
		}
	}
	if at := sample.Host.LastSyncTime; at != nil {
		send(g.lastChange, secondsOf(at.Time))
	}
	if at := sample.Host.LastReloadTime; at != nil {
		send(g.lastReload, secondsOf(at.Time))
	}
	if sample.ProvedAt.IsZero() {
		return
	}
	send(g.lastProof, secondsOf(sample.ProvedAt))
	send(g.oldWorkers, float64(sample.OldWorkers))
	send(g.failedReloads, float64(sample.FailedReloads))
}

// failedCheck is a target and how its checks fail.
type failedCheck struct{ target, check string }

// downBy counts servers by the first word of HAProxy's check status. An unknown word becomes the label "other".
func downBy(all []status.Down) map[failedCheck]int {
	counts := map[failedCheck]int{}
	for _, d := range all {
		check, _, _ := strings.Cut(d.Check, " ")
		switch check {
		case "SOCKERR", "L4TOUT", "L4CON", "L6TOUT", "L6RSP", "L7TOUT", "L7RSP", "L7STS", "HANA", "PROCERR", "PROCTOUT":
		default:
			check = "other"
		}
		counts[failedCheck{d.Target, check}] += d.Count
	}
	return counts
}
