variable "names" {
  description = "The names of both hosts."
  type        = list(string)
  default     = ["gw1", "gw2"]

  validation {
    condition     = length(distinct(var.names)) == 2 && length(var.names) == 2
    error_message = "A pair has two hosts, with different names."
  }
}

variable "network_id" {
  description = "The network of the hosts and of the addresses that they share."
  type        = string
}

variable "subnet_ids" {
  description = "Its subnets that hosts and shared addresses are in: one for each address family. The operator reaches a host at its address in the first one."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "At least one subnet is needed."
  }
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
  description = "The networks that the operator comes from, such as [\"192.0.2.0/24\"]: SSH is open to these only."
  type        = list(string)

  validation {
    condition     = length(var.operator_addresses) > 0 && alltrue([for network in var.operator_addresses : can(cidrhost(network, 0))])
    error_message = "At least one network is needed, with the length of its prefix, such as 192.0.2.0/24."
  }
}

variable "ports" {
  description = "The TCP ports of the listeners, which are open to everybody."
  type        = set(number)
  default     = [80, 443]
}

variable "image_name" {
  description = "An image with cloud-init: a Debian or an Ubuntu."
  type        = string
}

variable "flavor_name" {
  description = "The size of the hosts: 1 CPU and 1 GiB suffice."
  type        = string
}
