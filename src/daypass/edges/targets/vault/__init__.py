"""The target kind ``vault``: roles and policies for workloads at HashiCorp Vault or OpenBao."""
