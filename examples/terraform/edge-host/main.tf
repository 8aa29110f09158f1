# The host's own key is made here, and not on the host, so that the operator knows it before it connects for the first time.
resource "tls_private_key" "host" {
  algorithm = "ED25519"
}

locals {
  setup_script = coalesce(var.setup_script, "${path.module}/../../../hack/edge-host-setup.sh")
  installed    = "/usr/local/sbin/edge-host-setup.sh"
  operator_key = "/etc/edgelb/operator.pub"

  # The form without a shell: no value is part of a command line.
  setup = concat(
    ["sh", local.installed, "--install", "--key-file", local.operator_key, "--name", var.name, "--address", var.address],
    var.keepalived ? ["--keepalived"] : [],
    length(var.operator_addresses) > 0 ? ["--from", join(",", var.operator_addresses)] : [],
  )

  # The script is in the user data, compressed: nothing is downloaded, so that there is nothing to check. All of it is about 17 KiB;
  # clouds take 16 KiB, which it is less than if all is compressed once more, to 64 KiB.
  user_data = {
    hostname = var.name
    # No other host key is made, so that there is none that the operator does not know.
    ssh_deletekeys = true
    ssh_keys = {
      ed25519_private = tls_private_key.host.private_key_openssh
      ed25519_public  = trimspace(tls_private_key.host.public_key_openssh)
    }
    write_files = [
      {
        path        = local.operator_key
        permissions = "0644"
        content     = "${trimspace(var.operator_public_key)}\n"
      },
      {
        path        = local.installed
        permissions = "0755"
        encoding    = "gz+b64"
        content     = base64gzip(file(local.setup_script))
      },
    ]
    runcmd = [local.setup]
  }
}
