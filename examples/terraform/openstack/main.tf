# Two machines in one network, each allowed to have the shared addresses. Most clouds pass nothing but the addresses that they gave a
# machine; OpenStack can be told to pass these as well.

locals {
  names    = var.names
  families = ["IPv4", "IPv6"]

  # The addresses of a port are in no order that says which subnet each is of.
  cidrs = data.openstack_networking_subnet_v2.subnet[*].cidr
  virtual_addresses = [
    for cidr in local.cidrs : one([
      for address in openstack_networking_port_v2.virtual.all_fixed_ips : "${address}/${split("/", cidr)[1]}"
      if try(cidrhost("${address}/${split("/", cidr)[1]}", 0), "") == cidrhost(cidr, 0)
    ])
  ]
  addresses = {
    for name in var.names : name => one([
      for address in openstack_networking_port_v2.host[name].all_fixed_ips : address
      if try(cidrhost("${address}/${split("/", local.cidrs[0])[1]}", 0), "") == cidrhost(local.cidrs[0], 0)
    ])
  }
}

data "openstack_networking_subnet_v2" "subnet" {
  count     = length(var.subnet_ids)
  subnet_id = var.subnet_ids[count.index]
}

# It is not plugged in anywhere: it keeps the shared addresses from being given to another machine.
resource "openstack_networking_port_v2" "virtual" {
  name       = "edgelb-virtual"
  network_id = var.network_id

  dynamic "fixed_ip" {
    for_each = var.subnet_ids
    content {
      subnet_id = fixed_ip.value
    }
  }
}

resource "openstack_networking_port_v2" "host" {
  for_each = toset(var.names)

  name               = each.key
  network_id         = var.network_id
  security_group_ids = [openstack_networking_secgroup_v2.edge.id]

  dynamic "fixed_ip" {
    for_each = var.subnet_ids
    content {
      subnet_id = fixed_ip.value
    }
  }

  dynamic "allowed_address_pairs" {
    for_each = openstack_networking_port_v2.virtual.all_fixed_ips
    content {
      ip_address = allowed_address_pairs.value
    }
  }
}

resource "openstack_networking_secgroup_v2" "edge" {
  name        = "edgelb"
  description = "Hosts of an edge: listeners for everybody, SSH for the operator, VRRP among themselves."
}

resource "openstack_networking_secgroup_rule_v2" "listener" {
  for_each = { for pair in setproduct(local.families, var.ports) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id = openstack_networking_secgroup_v2.edge.id
  direction         = "ingress"
  ethertype         = each.value[0]
  protocol          = "tcp"
  port_range_min    = each.value[1]
  port_range_max    = each.value[1]
}

resource "openstack_networking_secgroup_rule_v2" "ssh" {
  for_each = toset(var.operator_addresses)

  security_group_id = openstack_networking_secgroup_v2.edge.id
  direction         = "ingress"
  ethertype         = strcontains(each.key, ":") ? "IPv6" : "IPv4"
  protocol          = "tcp"
  port_range_min    = 22
  port_range_max    = 22
  remote_ip_prefix  = each.key
}

resource "openstack_networking_secgroup_rule_v2" "vrrp" {
  for_each = toset(local.families)

  security_group_id = openstack_networking_secgroup_v2.edge.id
  direction         = "ingress"
  ethertype         = each.key
  protocol          = "112"
  remote_group_id   = openstack_networking_secgroup_v2.edge.id
}

# Not on the same hypervisor, which would take both hosts with it.
resource "openstack_compute_servergroup_v2" "pair" {
  name     = "edgelb"
  policies = ["anti-affinity"]
}

module "host" {
  source   = "../edge-host"
  for_each = toset(var.names)

  name                = each.key
  address             = local.addresses[each.key]
  operator_public_key = var.operator_public_key
  operator_addresses  = var.operator_addresses
}

resource "openstack_compute_instance_v2" "host" {
  for_each = toset(var.names)

  name         = each.key
  image_name   = var.image_name
  flavor_name  = var.flavor_name
  config_drive = true
  user_data    = module.host[each.key].user_data

  network {
    port = openstack_networking_port_v2.host[each.key].id
  }

  scheduler_hints {
    group = openstack_compute_servergroup_v2.pair.id
  }

  # cloud-init reads it at the first boot only, and another script or key would replace both hosts at once.
  lifecycle {
    ignore_changes = [user_data]
  }
}
