output "user_data" {
  description = "The user data for cloud-init. It has the private key of the host."
  value       = "#cloud-config\n${yamlencode(local.user_data)}"
  sensitive   = true
}

output "entry" {
  description = "The host's entry for spec.hosts of an EdgeLoadBalancer."
  value = {
    name     = var.name
    address  = var.address
    user     = "edgelb"
    hostKeys = [trimspace(tls_private_key.host.public_key_openssh)]
  }
}
