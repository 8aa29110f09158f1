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
  target = { format = { type = "qcow2" } }
  create = { content = { url = var.image } }
}

resource "libvirt_volume" "disk" {
  for_each = var.hosts

  name          = "${each.key}.qcow2"
  pool          = var.pool
  target        = { format = { type = "qcow2" } }
  capacity      = 8
  capacity_unit = "GiB"
  backing_store = { path = libvirt_volume.image.path, format = { type = "qcow2" } }
}

resource "libvirt_cloudinit_disk" "seed" {
  for_each = var.hosts

  name      = "${each.key}-seed"
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

  # cloud-init reads it at the first boot only.
  lifecycle {
    ignore_changes = [user_data]
  }
}

resource "libvirt_volume" "seed" {
  for_each = var.hosts

  name   = "${each.key}-seed.iso"
  pool   = var.pool
  create = { content = { url = libvirt_cloudinit_disk.seed[each.key].path } }
}

resource "libvirt_domain" "host" {
  for_each = var.hosts

  name        = each.key
  type        = "kvm"
  memory      = 1024
  memory_unit = "MiB"
  vcpu        = 1
  running     = true
  autostart   = true
  os          = { type = "hvm", type_arch = "x86_64", type_machine = "q35" }

  devices = {
    disks = [
      {
        source = { volume = { pool = var.pool, volume = libvirt_volume.disk[each.key].name } }
        target = { dev = "vda", bus = "virtio" }
        driver = { type = "qcow2" }
      },
      {
        device = "cdrom"
        source = { volume = { pool = var.pool, volume = libvirt_volume.seed[each.key].name } }
        target = { dev = "sda", bus = "sata" }
      },
    ]
    interfaces = [{ model = { type = "virtio" }, source = { bridge = { bridge = var.bridge } } }]
    serials    = [{ target = { port = 0 } }]
  }
}
