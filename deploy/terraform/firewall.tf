# In front of the Worker, where a refused request costs nothing. Both rulesets are the zone's entry points of their phase: a
# zone that has one already must take these rules into it (`terraform import`), since a phase has only one.

resource "cloudflare_ruleset" "waf" {
  count = var.zone_id == "" ? 0 : 1

  zone_id     = var.zone_id
  name        = "${local.worker} requests that no client makes"
  description = "Methods, paths and sizes that the gateway answers with a 4xx anyway."
  kind        = "zone"
  phase       = "http_request_firewall_custom"

  rules = [
    {
      ref         = "lumigate_methods"
      description = "Methods that no route has"
      expression  = "(http.host eq \"${var.hostname}\" and not http.request.method in {\"GET\" \"HEAD\" \"POST\" \"PUT\" \"PATCH\" \"DELETE\" \"OPTIONS\"})"
      action      = "block"
      enabled     = true
    },
    {
      ref         = "lumigate_probes"
      description = "Scanners that look for files"
      expression  = "(http.host eq \"${var.hostname}\" and (starts_with(http.request.uri.path, \"/.\") or ends_with(http.request.uri.path, \".php\")))"
      action      = "block"
      enabled     = true
    },
    {
      ref         = "lumigate_addresses"
      description = "Addresses over MAX_URL_BYTES"
      expression  = "(http.host eq \"${var.hostname}\" and len(http.request.uri) gt 8192)"
      action      = "block"
      enabled     = true
    },
  ]
}

resource "cloudflare_ruleset" "rate_limit" {
  count = var.zone_id == "" ? 0 : 1

  zone_id     = var.zone_id
  name        = "${local.worker} flood"
  description = "A wall against floods; limits of tenants are the gateway's own."
  kind        = "zone"
  phase       = "http_ratelimit"

  rules = [{
    ref         = "lumigate_flood"
    description = "Too many requests of one address"
    expression  = "(http.host eq \"${var.hostname}\")"
    action      = "block"
    enabled     = true
    ratelimit = {
      characteristics     = ["ip.src", "cf.colo.id"]
      period              = 10
      requests_per_period = var.rate_limit_requests
      mitigation_timeout  = 10
    }
  }]
}
