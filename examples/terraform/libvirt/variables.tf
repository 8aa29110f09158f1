variable "hosts" {
  description = "Both hosts, by name, with their addresses and the lengths of the prefixes. The operator reaches a host at the first of its addresses."
  type        = map(object({ addresses = list(string) }))

  validation {
    condition     = length(var.hosts) == 2 && alltrue([for host in values(var.hosts) : length(host.addresses) > 0])
    error_message = "A pair has two hosts, and each of them at least one address, such as 192.0.2.11/24."
  }

  validation {
    condition     = alltrue([for address in flatten(values(var.hosts)[*].addresses) : can(cidrhost(address, 0))])
    error_message = "An address has the length of its prefix, such as 192.0.2.11/24."
  }
}

variable "gateways" {
  description = "The default gateways of the network, one for each address family, such as [\"192.0.2.1\"]."
  type        = list(string)
}

variable "nameservers" {
  description = "The name servers of the hosts, which install packages at their first boot."
  type        = list(string)
}

variable "virtual_addresses" {
  description = "The addresses that the hosts share, with the lengths of the prefixes, such as [\"192.0.2.10/24\"]. No other machine of the network has them."
  type        = list(string)
}

variable "virtual_router_id" {
  description = "Identifies the pair in its network, 1 to 255: no other VRRP router there may have it."
  type        = number
  default     = 33

  validation {
    condition     = var.virtual_router_id >= 1 && var.virtual_router_id <= 255
    error_message = "A virtual router ID is 1 to 255."
  }
}

variable "operator_public_key" {
  description = "The public half of the operator's key."
  type        = string
}

variable "operator_addresses" {
  description = "The networks that the operator comes from. Empty: from anywhere."
  type        = list(string)
  default     = []
}

variable "bridge" {
  description = "The bridge of the machine that has the network."
  type        = string
  default     = "br0"
}

variable "pool" {
  description = "The storage pool for the disks."
  type        = string
  default     = "default"
}

variable "image" {
  description = "A disk image with cloud-init in the format qcow2, as a URL or a path: a Debian's or an Ubuntu's for clouds."
  type        = string
}
