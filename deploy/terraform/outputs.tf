output "wrangler_toml" {
  description = "What to paste into wrangler.toml, in place of the bindings of the same names."
  value       = <<-EOT
    # environment ${var.environment}%{if var.logpush_sink != "none"}; its own line `logpush = true` belongs before its tables%{endif}
    [[${local.table}kv_namespaces]]
    binding = "CACHE"
    id = "${cloudflare_workers_kv_namespace.cache.id}"

    [[${local.table}r2_buckets]]
    binding = "BLOBS"
    bucket_name = "${cloudflare_r2_bucket.blobs.name}"

    [[${local.table}r2_buckets]]
    binding = "BLOBS_EU"
    bucket_name = "${cloudflare_r2_bucket.blobs_eu.name}"
    jurisdiction = "${cloudflare_r2_bucket.blobs_eu.jurisdiction}"

    # Analytics Engine makes the dataset at the first write.
    [[${local.table}analytics_engine_datasets]]
    binding = "POINTS"
    dataset = "${local.analytics_points}"

    ${local.stored_tables}
  EOT
}

output "dashboards" {
  description = "Where Grafana shows them."
  value       = { for name, board in grafana_dashboard.generated : trimsuffix(name, ".json") => board.url }
}

output "wrangler_secrets" {
  description = "The secrets that wrangler sets; provider keys likewise, one for each provider of the routing table."
  value       = local.secret_commands
}
