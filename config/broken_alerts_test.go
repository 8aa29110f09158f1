package config_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// broken is a change that breaks a rule: it takes away a condition, or moves a limit. The case must notice.
type broken struct{ alert, from, to, noticed string }

const unlessSuspended = "            unless max by (namespace, name, host) (edgelb_host_suspended) == 1\n"

func brokenRules() []broken {
	return []broken{
		{"EdgeLBNotLeading", "[23h])) == 1)", "[23h])))",
			"two replicas run and none leads"},
		{"EdgeLBNotLeading", "absent(max(max_over_time(edgelb_leading[23h])) == 1)", "absent(max(edgelb_leading) == 1)",
			"the operator led and is gone"},
		{"EdgeLBNotLeading", "[23h]", "[3d]",
			"the operator has been away for days"},
		{"EdgeLBNotLeading", "[24h]", "[5m]",
			"the operator led and is gone"},
		{"EdgeLBNotLeading", "max by (namespace, job) (edgelb_leading) == 1", "max(edgelb_leading) == 1",
			"of two operators, one leads no more"},
		{"EdgeLBNotLeading", "max by (namespace, job) (edgelb_leading)", "min by (namespace, job) (edgelb_leading)",
			"one replica leads and the other stands by"},
		{"EdgeLBNotLeading", "max by (namespace, job) (edgelb_leading)", "max by (job) (edgelb_leading)",
			"of two operators, one leads no more"},
		{"EdgeLBNotLeading", "for: 5m", "for: 0m",
			"no replica runs, or its metrics cannot be read"},
		{"EdgeLBNotLeading", "for: 5m", "for: 3h",
			"no replica runs, or its metrics cannot be read"},
		{"EdgeLBHostNotSynced", "|Drifted", "",
			"a host has drifted, and driftPolicy is Report"},
		{"EdgeLBHostNotSynced", "{state!~\"Synced|", "{state!~\"",
			"a host that was synced is unreachable"},
		{"EdgeLBHostNotSynced", "max by (namespace, name, host) (edgelb_host_state{state!~", "max by (namespace, name, host, state) (edgelb_host_state{state!~",
			"a host that was synced is unreachable"},
		{"EdgeLBHostNotSynced", "max by (namespace, name, host) (edgelb_host_state{state!~", "max by (namespace, name, host, pod) (edgelb_host_state{state!~",
			"a host that was synced is unreachable"},
		{"EdgeLBHostNotSynced", "            and max by (namespace, name, host) (edgelb_last_change_timestamp_seconds)\n", "",
			"a new host was not brought to its spec for an hour"},
		{"EdgeLBHostNotSynced", unlessSuspended, "",
			"a suspended host is rebooted, or is under maintenance for an hour, and is not proved meanwhile"},
		{"EdgeLBHostNotSynced", "            unless max by (namespace, name, host) (edgelb_host_reload_waits) == 1\n", "",
			"a reload waits for previous workers"},
		{"EdgeLBHostNotSynced", "> 300", "> 3000",
			"a host is called Synced and is not verified any more"},
		{"EdgeLBHostNotSynced", "> 300", "> 30",
			"a host is called Synced and is not verified any more"},
		{"EdgeLBHostNotSynced", "                  and\n                    max by (namespace, name, host) (edgelb_host_state{state=\"Synced\"}) == 1\n", "",
			"a host is suspended through another object and nobody verifies it"},
		{"EdgeLBHostNotSynced", "for: 5m", "for: 0m",
			"a host that was synced is unreachable"},
		{"EdgeLBHostNotSynced", "for: 5m", "for: 3h",
			"a host that was synced is unreachable"},
		{"EdgeLBHostNeverSynced", "            unless max by (namespace, name, host) (edgelb_last_change_timestamp_seconds)\n", "",
			"a host that was synced is unreachable"},
		{"EdgeLBHostNeverSynced", unlessSuspended, "",
			"a host that was synced is away, and a new one is suspended"},
		{"EdgeLBHostNeverSynced", "for: 1h", "for: 0m",
			"a new host was not brought to its spec for an hour"},
		{"EdgeLBHostNeverSynced", "for: 1h", "for: 3h",
			"a new host was not brought to its spec for an hour"},
		{"EdgeLBReloadWaits", " == 1", " == 0",
			"a reload still waits when the previous workers should have ended long ago"},
		{"EdgeLBReloadWaits", "for: 45m", "for: 0m",
			"a reload still waits when the previous workers should have ended long ago"},
		{"EdgeLBReloadWaits", "for: 45m", "for: 3h",
			"a reload still waits when the previous workers should have ended long ago"},
		{"EdgeLBReloadStorm", "[10m])) > 4", "[10m])) > 0",
			"a host is reloaded every minute, and the operator is restarted meanwhile"},
		{"EdgeLBReloadStorm", "[10m])) > 4", "[10m])) > 2",
			"a host is reloaded every minute, and the operator is restarted meanwhile"},
		{"EdgeLBReloadStorm", "[10m])) > 4", "[10m])) > 8",
			"a host is reloaded every minute, and the operator is restarted meanwhile"},
		{"EdgeLBReloadStorm", "[10m]", "[30m]",
			"twelve objects are applied one after the other, and then nothing changes"},
		{"EdgeLBReloadStorm", "sum by (namespace, name, host)", "max by (namespace, name, host, pod)",
			"a host is reloaded every minute, and the operator is restarted meanwhile"},
		{"EdgeLBReloadStorm", "for: 20m", "for: 0m",
			"a host is reloaded every minute, and the operator is restarted meanwhile"},
		{"EdgeLBReloadStorm", "for: 20m", "for: 3h",
			"a host is reloaded every minute, and the operator is restarted meanwhile"},
		{"EdgeLBHostDrifted", `state="Drifted"`, `state=~"Drifted|Suspended"`,
			"somebody changes a host and undoes that ten minutes later, and another one is suspended"},
		{"EdgeLBHostDrifted", "for: 15m", "for: 0m",
			"a drift that is only reported stays"},
		{"EdgeLBHostDrifted", "for: 15m", "for: 3h",
			"a drift that is only reported stays"},
		{"EdgeLBVirtualIPsNotHeld", " > 1", " > 2",
			"two hosts have the virtual addresses, and it is not known of a third one"},
		{"EdgeLBVirtualIPsNotHeld", " == 0\n", " < 0\n",
			"no host has the virtual addresses, and the operator is restarted meanwhile"},
		{"EdgeLBVirtualIPsNotHeld", `(max by (namespace, name, host) (edgelb_host_virtual_ips{role="MASTER"})) > 1`, `(edgelb_host_virtual_ips{role="MASTER"}) > 1`,
			"the virtual addresses move to the other host within a minute, and another replica takes over"},
		{"EdgeLBVirtualIPsNotHeld", `{role="MASTER"})) > 1`, `{role=~"MASTER|BACKUP"})) > 1`,
			"the virtual addresses move to the other host within a minute, and another replica takes over"},
		{"EdgeLBVirtualIPsNotHeld", "                      unless max by (namespace, name, host) (edgelb_host_virtual_ips)\n", "                      unless max by (namespace, name, host) (edgelb_host_state)\n",
			"the only host of which the role is known has no virtual addresses, and another object is suspended without a master"},
		{"EdgeLBVirtualIPsNotHeld", "            unless on (namespace, name) max by (namespace, name) (edgelb_host_suspended) == 1\n", "",
			"the only host of which the role is known has no virtual addresses, and another object is suspended without a master"},
		{"EdgeLBVirtualIPsNotHeld", "for: 2m", "for: 0m",
			"no host has the virtual addresses, and the operator is restarted meanwhile"},
		{"EdgeLBVirtualIPsNotHeld", "for: 2m", "for: 3h",
			"no host has the virtual addresses, and the operator is restarted meanwhile"},
		{"EdgeLBDriftRepeated", `{result="repaired"}[40m])) > 0`, `[40m])) > 0`,
			"hosts were repaired long ago, and lately a drift was only reported"},
		{"EdgeLBDriftRepeated", "            and sum(increase(edgelb_drift_total{result=\"repaired\"}[40m] offset 40m)) > 0\n", "",
			"an upgrade of a package changes fifty hosts once, and later a person two"},
		{"EdgeLBDriftRepeated", "            and sum(increase(edgelb_drift_total{result=\"repaired\"}[40m] offset 80m)) > 0\n", "",
			"an upgrade of a package changes fifty hosts once, and later a person two"},
		{"EdgeLBDriftRepeated", "increase(", "max_over_time(",
			"hosts were repaired long ago, and lately a drift was only reported"},
		{"EdgeLBConvergenceSlow", "0.9,", "0.99,",
			"changes are fast, but for one in twenty"},
		{"EdgeLBConvergenceSlow", "0.9,", "0.5,",
			"one in five changes takes longer than five seconds"},
		{"EdgeLBConvergenceSlow", `{update="runtime"}`, "",
			"reloads wait for previous workers, which is meant"},
		{"EdgeLBConvergenceSlow", "[10m]", "[20m]",
			"fifty hosts are back after an hour, with the changes of that hour"},
		{"EdgeLBConvergenceSlow", ") > 5", ") > 50",
			"one in five changes takes longer than five seconds"},
		{"EdgeLBConvergenceSlow", ") > 5", ") > 0.01",
			"changes are fast, but for one in twenty"},
		{"EdgeLBConvergenceSlow", "for: 15m", "for: 0m",
			"one in five changes takes longer than five seconds"},
		{"EdgeLBConvergenceSlow", "for: 15m", "for: 3h",
			"one in five changes takes longer than five seconds"},
		{"EdgeLBTargetDown", "            unless on (namespace, name, host) edgelb_host_suspended == 1\n", "",
			"the servers of a target are down on the only host, which is suspended, or cannot be asked any more"},
		{"EdgeLBTargetDown", "            unless on (namespace, name, host) edgelb_host_state{state=~\"Unreachable|Untrusted|Unauthorized|Refused\"} == 1\n", "",
			"the checks of all servers of a target fail on all hosts, of which one cannot be asked"},
		{"EdgeLBTargetDown", "max by (namespace, name, target) (edgelb_target_servers) > 0", "vector(1) == 0",
			"the servers of a target were never up"},
		{"EdgeLBTargetDown", "max by (namespace, name, target) (edgelb_target_servers) > 0", "max by (namespace, name, target) (edgelb_target_servers) >= 0",
			"the only pod of a target is not ready any more, so that the target has no server, and the operator is restarted"},
		{"EdgeLBTargetDown", "max by (namespace, name, target) (max_over_time(host:edgelb_target_servers_up:max[1h])) > 0", "vector(1) == 0",
			"the only pod of a target is not ready any more, so that the target has no server, and the operator is restarted"},
		{"EdgeLBTargetDown", "[1h]", "[6h]",
			"the only pod of a target is not ready any more, so that the target has no server, and the operator is restarted"},
		{"EdgeLBTargetDown", "for: 5m", "for: 0m",
			"the checks of all servers of a target fail on all hosts, of which one cannot be asked"},
		{"EdgeLBTargetDown", "for: 5m", "for: 3h",
			"the checks of all servers of a target fail on all hosts, of which one cannot be asked"},
		{"EdgeLBTargetDownOnHost", "            and max by (namespace, name, host, target) (edgelb_target_servers) > 0\n", "",
			"of two hosts, one is suspended or away while its servers are down, and one has none of the target yet"},
		{"EdgeLBTargetDownOnHost", "            and on (namespace, name, target) max by (namespace, name, target) (host:edgelb_target_servers_up:max) > 0\n", "",
			"the checks of all servers of a target fail on all hosts, of which one cannot be asked"},
		{"EdgeLBTargetDownOnHost", "            unless on (namespace, name, host) edgelb_host_suspended == 1\n", "",
			"of two hosts, one is suspended or away while its servers are down, and one has none of the target yet"},
		{"EdgeLBTargetDownOnHost", "            unless on (namespace, name, host) edgelb_host_state{state=~\"Unreachable|Untrusted|Unauthorized|Refused\"} == 1\n", "",
			"the checks of all servers of a target fail on all hosts, of which one cannot be asked"},
		{"EdgeLBTargetDownOnHost", "for: 10m", "for: 0m",
			"one of two hosts reaches no server of a target"},
		{"EdgeLBTargetDownOnHost", "for: 10m", "for: 3h",
			"one of two hosts reaches no server of a target"},
		{"EdgeLBClusterAway", " == 0", " < 2",
			"another cluster cannot be read"},
		{"EdgeLBClusterAway", "for: 10m", "for: 0m",
			"another cluster cannot be read"},
		{"EdgeLBClusterAway", "for: 10m", "for: 3h",
			"another cluster cannot be read"},
		{"EdgeLBCredentialExpires", "7 * 86400", "9 * 86400",
			"a token of an hour is replaced ten minutes before its end, and an authority is valid for eight days more"},
		{"EdgeLBCredentialExpires", "7 * 86400", "5 * 86400",
			"a certificate of 90 days has six days left, and a token that does not say when it was issued as well"},
		{"EdgeLBCredentialExpires", "0.1 *", "0.5 *",
			"a token of an hour is not replaced in time"},
		{"EdgeLBCredentialExpires", "0.1 *", "0.01 *",
			"a certificate of 90 days has six days left, and a token that does not say when it was issued as well"},
	}
}

func TestTheCasesNoticeEveryConditionOfEveryAlert(t *testing.T) {
	t.Parallel()
	rules, cases, directory := string(read(t, rulesFile)), readCases(t), t.TempDir()
	program, err := programs.Promtool()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"test", "rules"}
	all := brokenRules()
	for i, b := range all {
		at := slices.IndexFunc(cases.Tests, func(c ruleCase) bool { return c.Name == b.noticed })
		if at < 0 {
			t.Fatalf("there is no case %q", b.noticed)
		}
		one := cases
		one.Tests = cases.Tests[at : at+1]
		folder := filepath.Join(directory, fmt.Sprint(i))
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, extractedFile), extract(t, []byte(replaceIn(t, rules, b))))
		write(t, filepath.Join(folder, "cases.yaml"), []byte(toYAML(t, one)))
		args = append(args, filepath.Join(folder, "cases.yaml"))
	}
	// The exit status only says that some file failed, as all must.
	out, _ := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	results := strings.Split(string(out), "Processing test file: ")[1:]
	if len(results) != len(all) {
		t.Fatalf("%d of %d changes were judged: %s", len(results), len(all), out)
	}
	for i, b := range all {
		if !strings.Contains(results[i], "got:") {
			t.Errorf("%s with %q for %q is not noticed by %q: %s", b.alert, b.to, b.from, b.noticed, results[i])
		}
	}
	for alert := range alertsOf(t, []byte(rules)) {
		if !slices.ContainsFunc(all, func(b broken) bool { return b.alert == alert }) {
			t.Errorf("no change breaks %s: add one", alert)
		}
	}
}

// replaceIn replaces the first occurrence in an alert, or else in the recording rule that it uses.
func replaceIn(t *testing.T, rules string, b broken) string {
	t.Helper()
	at := strings.Index(rules, "- alert: "+b.alert+"\n")
	end := at + strings.Index(rules[at:], "          annotations:\n")
	if !strings.Contains(rules[at:end], b.from) {
		at = strings.Index(rules, "- record: ")
		end = at + strings.Index(rules[at:], "- alert: ")
	}
	if !strings.Contains(rules[at:end], b.from) {
		t.Fatalf("%s has no %q", b.alert, b.from)
	}
	return rules[:at] + strings.Replace(rules[at:end], b.from, b.to, 1) + rules[end:]
}
