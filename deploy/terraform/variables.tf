# --- which deployment ---

variable "environment" {
  description = "The environment of wrangler.toml that this state describes: one state (or workspace) for each."
  type        = string

  validation {
    condition     = contains(["development", "staging", "production"], var.environment)
    error_message = "environment is development, staging or production, as in wrangler.toml."
  }
}

variable "cloudflare_account_id" {
  description = "The Cloudflare account."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{32}$", var.cloudflare_account_id))
    error_message = "cloudflare_account_id is 32 hexadecimal digits."
  }
}

variable "cloudflare_api_token" {
  description = "Permissions: Workers KV Storage Edit, Workers R2 Storage Edit, Logs Edit; with a zone, Zone WAF Edit; with a Secrets Store, Secrets Store Read."
  type        = string
  sensitive   = true
}

# --- secrets ---

variable "store_id" {
  description = "The account's Secrets Store (npx wrangler secrets-store store list --remote); empty where every secret is put into the Worker itself."
  type        = string
  default     = ""

  validation {
    condition     = var.store_id == "" || can(regex("^[0-9a-f]{32}$", var.store_id))
    error_message = "store_id is 32 hexadecimal digits, or empty."
  }
}

variable "store_settings" {
  description = "Which settings the Worker takes from that store, such as OPENAI_API_KEY: references, never values."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.store_settings : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "store_settings are names of settings, such as OPENAI_API_KEY."
  }

  validation {
    condition     = length(var.store_settings) == 0 || var.store_id != ""
    error_message = "store_settings want store_id."
  }
}

# --- what is kept ---

variable "cache_expire_days" {
  description = "After how many days R2 deletes cached answers: longer than CACHE_L3_TTL_SECONDS and the stale window after it."
  type        = number
  default     = 2

  validation {
    condition     = var.cache_expire_days >= 1 && floor(var.cache_expire_days) == var.cache_expire_days
    error_message = "cache_expire_days is a whole number, at least 1."
  }
}

variable "log_expire_days" {
  description = "After how many days R2 deletes the wide events that Logpush wrote."
  type        = number
  default     = 30

  validation {
    condition     = var.log_expire_days >= 1 && floor(var.log_expire_days) == var.log_expire_days
    error_message = "log_expire_days is a whole number, at least 1."
  }
}

# --- wide events (Logpush) ---

variable "logpush_sink" {
  description = "Where the wide events go: r2 (a bucket made here), http (logpush_http_url) or none."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["r2", "http", "none"], var.logpush_sink)
    error_message = "logpush_sink is r2, http or none."
  }
}

variable "logpush_r2_access_key_id" {
  description = "For the sink r2: the access key id of an R2 API token that may write to the bucket <worker>-logs."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = var.logpush_sink != "r2" || var.logpush_r2_access_key_id != ""
    error_message = "logpush_sink = r2 wants logpush_r2_access_key_id."
  }
}

variable "logpush_r2_secret_access_key" {
  description = "For the sink r2: the secret access key of the same token."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = var.logpush_sink != "r2" || var.logpush_r2_secret_access_key != ""
    error_message = "logpush_sink = r2 wants logpush_r2_secret_access_key."
  }
}

variable "logpush_http_url" {
  description = "For the sink http: where batches of lines are posted, over https."
  type        = string
  default     = ""

  validation {
    condition     = var.logpush_sink != "http" || can(regex("^https://[^?#]+$", var.logpush_http_url))
    error_message = "logpush_sink = http wants logpush_http_url: an https address without a query."
  }
}

variable "logpush_http_authorization" {
  description = "For the sink http: the value of the header Authorization; empty for none."
  type        = string
  default     = ""
  sensitive   = true
}

# --- in front of the Worker ---

variable "zone_id" {
  description = "The zone whose hostname routes to the Worker; empty where it is on workers.dev only, which no zone rule covers."
  type        = string
  default     = ""

  validation {
    condition     = var.zone_id == "" || can(regex("^[0-9a-f]{32}$", var.zone_id))
    error_message = "zone_id is 32 hexadecimal digits, or empty."
  }
}

variable "hostname" {
  description = "The hostname of the gateway in that zone."
  type        = string
  default     = ""

  validation {
    condition     = var.zone_id == "" || can(regex("^[a-z0-9-]+([.][a-z0-9-]+)+$", var.hostname))
    error_message = "A zone wants the hostname of the gateway in it, such as gateway.example.com."
  }
}

variable "rate_limit_requests" {
  description = "How many requests one address may make in 10 seconds at one data centre before it is refused for 10 seconds."
  type        = number
  default     = 1000

  validation {
    condition     = var.rate_limit_requests >= 1
    error_message = "rate_limit_requests is at least 1."
  }
}

# --- Grafana ---

variable "grafana_url" {
  description = "The Grafana that gets folder, data sources, dashboards and alerts."
  type        = string

  validation {
    condition     = can(regex("^https?://", var.grafana_url))
    error_message = "grafana_url is an http or https address."
  }
}

variable "grafana_token" {
  description = "The token of a Grafana service account with the role Admin (data sources and alerting want it)."
  type        = string
  sensitive   = true
}

variable "prometheus_url" {
  description = "The Prometheus that has the metrics and evaluates slo/generated/prometheus, as Grafana reaches it."
  type        = string

  validation {
    condition     = can(regex("^https?://", var.prometheus_url))
    error_message = "prometheus_url is an http or https address."
  }
}

variable "tempo_url" {
  description = "The Tempo that has the traces, as Grafana reaches it."
  type        = string

  validation {
    condition     = can(regex("^https?://", var.tempo_url))
    error_message = "tempo_url is an http or https address."
  }
}

variable "loki_url" {
  description = "The Loki that has the logs, as Grafana reaches it."
  type        = string

  validation {
    condition     = can(regex("^https?://", var.loki_url))
    error_message = "loki_url is an http or https address."
  }
}

variable "analytics_engine_token" {
  description = "A Cloudflare API token with Account Analytics Read; empty leaves the data source of Analytics Engine out."
  type        = string
  default     = ""
  sensitive   = true
}

variable "page_webhook_url" {
  description = "What wakes someone up: the webhook behind the contact point for pages."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^https://", var.page_webhook_url))
    error_message = "page_webhook_url is an https address."
  }
}

variable "ticket_webhook_url" {
  description = "What waits for the morning: the webhook behind the contact point for tickets."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^https://", var.ticket_webhook_url))
    error_message = "ticket_webhook_url is an https address."
  }
}

variable "manage_alerting" {
  description = "Whether Grafana alerts. False where Prometheus and slo/generated/alertmanager do, or slo/generated/grafana is mounted: never both."
  type        = bool
}

variable "own_notification_policies" {
  description = "Whether Terraform may replace the whole tree of notification policies of this Grafana organisation. Without it, route severity=page yourself."
  type        = bool
}
