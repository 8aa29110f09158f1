package config_test

import (
	"encoding/json"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/internal/lab/terraform"
)

// applyTerraform has the API server judge what the Terraform modules put out, in an object that is the sample otherwise.
func applyTerraform(t *testing.T, c client.Client) {
	key, err := terraform.NewHostKey()
	if err != nil {
		t.Fatal(err)
	}
	hosts := terraform.Known{Modules: map[string]map[string]terraform.Known{"host": {"gw1": key.Known(), "gw2": key.Known()}}}
	for module, values := range map[string]terraform.Values{
		"libvirt":   {Variables: libvirtVariables(key.Public), Known: hosts},
		"openstack": {Variables: openstackVariables(key.Public), Known: withPorts(hosts)},
	} {
		t.Run(module, func(t *testing.T) {
			outputs, err := terraform.Outputs(t.Context(), module, values)
			if err != nil {
				t.Fatal(err)
			}
			const sample = "samples/edgelb_v1alpha1_edgeloadbalancer.yaml"
			object := decode(t, sample, read(t, sample))[0]
			object.SetName("terraform-" + module)
			spec := object.Object["spec"].(map[string]any)
			for _, block := range []string{"hosts", "virtual_ips"} {
				var text string
				if err := json.Unmarshal(outputs[block], &text); err != nil {
					t.Fatal(err)
				}
				if err := yaml.Unmarshal([]byte(text), &spec); err != nil {
					t.Fatal(err)
				}
			}
			apply(t, c, object)
			if got, want := toYAML(t, spec["hosts"]), hostsOf(key.Public); got != want {
				t.Errorf("the hosts are\n%swant\n%s", got, want)
			}
			if got, want := toYAML(t, spec["virtualIPs"]), virtualIPsOf[module]; got != want {
				t.Errorf("the virtual addresses are\n%swant\n%s", got, want)
			}
		})
	}
}

func libvirtVariables(key string) map[string]any {
	type host struct {
		Addresses []string `json:"addresses"`
	}
	return map[string]any{
		"hosts":    map[string]host{"gw1": {[]string{"192.0.2.11/24", "2001:db8::11/64"}}, "gw2": {[]string{"192.0.2.12/24", "2001:db8::12/64"}}},
		"gateways": []string{"192.0.2.1", "2001:db8::1"}, "nameservers": []string{"192.0.2.1"},
		"virtual_addresses": []string{"192.0.2.10/24", "2001:db8::10/64"}, "virtual_router_id": 34, "operator_public_key": key,
		"image": "debian.qcow2",
	}
}

func openstackVariables(key string) map[string]any {
	return map[string]any{
		"network_id": "a-network", "subnet_ids": []string{"for-ipv4", "for-ipv6"}, "flavor_name": "small", "image_name": "debian",
		"operator_public_key": key, "operator_addresses": []string{"198.51.100.0/24"},
	}
}

// withPorts adds what a cloud says of the ports. It has the addresses of a port in any order.
func withPorts(known terraform.Known) terraform.Known {
	port := func(addresses ...string) map[string]any { return map[string]any{"all_fixed_ips": addresses} }
	known.Resources = map[string]any{"openstack_networking_port_v2": map[string]any{
		"virtual": port("2001:db8::10", "192.0.2.10"),
		"host":    map[string]any{"gw1": port("2001:db8::11", "192.0.2.11"), "gw2": port("192.0.2.12", "2001:db8::12")},
	}}
	known.Data = map[string]any{"openstack_networking_subnet_v2": map[string]any{
		"subnet": []any{map[string]string{"cidr": "192.0.2.0/24"}, map[string]string{"cidr": "2001:db8::/64"}},
	}}
	return known
}

func hostsOf(key string) string {
	return "- address: 192.0.2.11\n  hostKeys:\n  - " + key + "  name: gw1\n  user: edgelb\n" +
		"- address: 192.0.2.12\n  hostKeys:\n  - " + key + "  name: gw2\n  user: edgelb\n"
}

var virtualIPsOf = map[string]string{
	"libvirt":   "addresses:\n- 192.0.2.10/24\n- 2001:db8::10/64\nvirtualRouterID: 34\n",
	"openstack": "addresses:\n- 192.0.2.10/24\n- 2001:db8::10/64\nvirtualRouterID: 33\n",
}
