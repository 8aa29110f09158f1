output "hosts" {
  description = "The hosts: block of an EdgeLoadBalancer's spec."
  value       = yamlencode({ hosts = [for name in local.names : module.host[name].entry] })
}

output "virtual_ips" {
  description = "The virtualIPs: block of an EdgeLoadBalancer's spec."
  value = yamlencode({
    virtualIPs = { addresses = local.virtual_addresses, virtualRouterID = var.virtual_router_id }
  })
}
