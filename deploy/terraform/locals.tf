# What the other files are made from. No provider is asked here, so `terraform console` evaluates all of it offline.
locals {
  repository = "${path.module}/../.."

  # As wrangler.toml names them; tests/deploy/test_terraform.py compares each with it.
  worker           = var.environment == "development" ? "lumigate" : "lumigate-${var.environment}"
  blobs_bucket     = "lumigate-blobs-${var.environment}"
  blobs_eu_bucket  = "lumigate-blobs-eu-${var.environment}"
  analytics_points = "lumigate_requests_${var.environment}"

  table = var.environment == "development" ? "" : "env.${var.environment}."

  # What the Worker takes from the account's Secrets Store, and what it is called there: the store is of all environments.
  stored = { for name in var.store_settings : name => "lumigate_${var.environment}_${name}" }

  secrets = ["OPENAI_API_KEY", "API_KEY_PEPPER", "SEALING_KEYS", "METRICS_TOKEN", "OTEL_EXPORTER_OTLP_HEADERS"]

  stored_tables = join("\n", [for name, stored in local.stored : <<-EOT
    [[${local.table}secrets_store_secrets]]
    binding = "${name}"
    store_id = "${var.store_id}"
    secret_name = "${stored}"
  EOT
  ])
  secret_commands = concat(
    [
      for name in local.secrets :
      "npx wrangler secret put ${name}${var.environment == "development" ? "" : " --env ${var.environment}"}"
      if !contains(keys(local.stored), name)
    ],
    [
      for stored in values(local.stored) :
      "npx wrangler secrets-store secret create ${var.store_id} --name ${stored} --scopes workers --remote"
    ],
  )

  day_seconds = 86400

  # What is swept, by prefix of the key. Marks of purges (purge/) must outlive what they purge.
  swept = { "cache/" = var.cache_expire_days, "near/" = var.cache_expire_days, "purge/" = var.cache_expire_days + 1 }

  logs_bucket = "${local.worker}-logs"
  logpush_r2 = join("", [
    "r2://${local.logs_bucket}/{DATE}?account-id=${var.cloudflare_account_id}",
    "&access-key-id=${urlencode(var.logpush_r2_access_key_id)}",
    "&secret-access-key=${urlencode(var.logpush_r2_secret_access_key)}",
  ])
  logpush_http = join("", [
    var.logpush_http_url,
    var.logpush_http_authorization == "" ? "" : "?header_Authorization=${urlencode(var.logpush_http_authorization)}",
  ])
  # Only this Worker's invocations: the dataset is of the whole account.
  logpush_filter = jsonencode({
    where = { key = "ScriptName", operator = "eq", value = local.worker }
  })

  # The generated alerting is the source; Terraform adds nothing to it but the addresses of the webhooks.
  grafana_folder   = one(distinct([for group in local.alert_groups : group.folder]))
  alert_groups     = yamldecode(file("${local.repository}/slo/generated/grafana/rules.yaml")).groups
  alert_policy     = yamldecode(file("${local.repository}/slo/generated/grafana/policies.yaml")).policies[0]
  alert_receivers  = toset([for point in yamldecode(file("${local.repository}/slo/generated/grafana/contact-points.yaml")).contactPoints : point.name])
  receiver_urls    = { lumigate-page = var.page_webhook_url, lumigate-ticket = var.ticket_webhook_url }
  interval_seconds = { for group in local.alert_groups : group.name => 60 * tonumber(trimsuffix(group.interval, "m")) }

  dashboards = fileset("${local.repository}/dashboards/generated", "*.json")
}
