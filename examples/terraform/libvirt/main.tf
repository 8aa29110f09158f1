# Two machines on one bridge, which hear each other's VRRP. On two machines that run libvirt, call the module edge-host for each.

locals {
  names             = sort(keys(var.hosts))
  virtual_addresses = var.virtual_addresses
}

module "host" {
  source   = "../edge-host"
  for_each = var.hosts

  name                = each.key
  address             = split("/", each.value.addresses[0])[0]
  operator_public_key = var.operator_public_key
  operator_addresses  = var.operator_addresses
}

resource "libvirt_volume" "image" {
  name   = "edgelb-${local.names[0]}-image.qcow2"
  pool   = var.pool
  source = var.image
  format = "qcow2"
}

resource "libvirt_volume" "disk" {
  for_each = var.hosts

  name           = "${each.key}.qcow2"
  pool           = var.pool
  base_volume_id = libvirt_volume.image.id
  size           = 8 * 1024 * 1024 * 1024
}

resource "libvirt_cloudinit_disk" "seed" {
  for_each = var.hosts

  name      = "${each.key}-seed.iso"
  pool      = var.pool
  user_data = module.host[each.key].user_data
  meta_data = yamlencode({ instance-id = each.key, local-hostname = each.key })
  network_config = yamlencode({
    version = 2
    ethernets = {
      uplink = {
        match       = { name = "e*" }
        addresses   = each.value.addresses
        routes      = [for gateway in var.gateways : { to = strcontains(gateway, ":") ? "::/0" : "0.0.0.0/0", via = gateway }]
        nameservers = { addresses = var.nameservers }
      }
    }
  })

  # cloud-init reads it at the first boot only, and another script or key would replace both hosts at once.
  lifecycle {
    ignore_changes = [user_data]
  }
}

resource "libvirt_domain" "host" {
  for_each = var.hosts

  name      = each.key
  memory    = 1024
  vcpu      = 1
  autostart = true
  cloudinit = libvirt_cloudinit_disk.seed[each.key].id

  cpu {
    mode = "host-passthrough"
  }

  disk {
    volume_id = libvirt_volume.disk[each.key].id
  }

  network_interface {
    bridge = var.bridge
  }

  # Images for clouds write their log of the boot there.
  console {
    type        = "pty"
    target_type = "serial"
    target_port = "0"
  }
}
