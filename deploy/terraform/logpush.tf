# Wide events: one JSON line a request in `Logs` of the invocation. The Worker sends them only with `logpush = true` in its
# environment of wrangler.toml, on the Workers Paid plan.

resource "cloudflare_r2_bucket" "logs" {
  count = var.logpush_sink == "r2" ? 1 : 0

  account_id = var.cloudflare_account_id
  name       = local.logs_bucket
}

resource "cloudflare_r2_bucket_lifecycle" "logs" {
  count = var.logpush_sink == "r2" ? 1 : 0

  account_id  = var.cloudflare_account_id
  bucket_name = cloudflare_r2_bucket.logs[0].name

  rules = [{
    id         = "expire wide events"
    enabled    = true
    conditions = { prefix = "" }
    delete_objects_transition = {
      condition = { type = "Age", max_age = var.log_expire_days * local.day_seconds }
    }
  }]
}

resource "cloudflare_logpush_job" "wide_events" {
  count = var.logpush_sink == "none" ? 0 : 1

  account_id       = var.cloudflare_account_id
  name             = "${local.worker}-wide-events"
  dataset          = "workers_trace_events"
  enabled          = true
  destination_conf = var.logpush_sink == "r2" ? local.logpush_r2 : local.logpush_http
  filter           = local.logpush_filter

  # Not `Event`: it has the addresses and headers of callers, which the wide event leaves out on purpose.
  output_options = {
    output_type      = "ndjson"
    timestamp_format = "rfc3339"
    field_names      = ["EventTimestampMs", "EventType", "Exceptions", "Logs", "Outcome", "ScriptName", "ScriptVersion"]
  }

  depends_on = [cloudflare_r2_bucket.logs]
}
