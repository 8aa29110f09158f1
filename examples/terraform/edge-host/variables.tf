variable "name" {
  description = "The host's name, in the EdgeLoadBalancer and as its host name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", var.name))
    error_message = "A host's name has lower-case letters, digits and hyphens, 63 at most, such as gw1."
  }
}

variable "address" {
  description = "Where the operator reaches the host: an address, or a name in DNS."
  type        = string
}

variable "operator_public_key" {
  description = "The public half of the operator's key, such as \"ssh-ed25519 AAAA... edgelb\"."
  type        = string

  validation {
    condition     = can(regex("^(ssh|ecdsa|sk)-[^\\s]+ AAAA[0-9A-Za-z+/]+=*( [^\\n]*)?\\n?$", var.operator_public_key))
    error_message = "The operator's key is one line in the format of authorized_keys: the content of edgelb-key.pub."
  }
}

variable "operator_addresses" {
  description = "The networks that the operator comes from, such as [\"192.0.2.0/24\"]. The host takes the key from nowhere else. Empty: from anywhere."
  type        = list(string)
  default     = []
}

variable "keepalived" {
  description = "Install keepalived as well, for virtual addresses."
  type        = bool
  default     = true
}

variable "setup_script" {
  description = "The file edge-host-setup.sh: of a release, or of this repository, which is the default."
  type        = string
  default     = null
}
