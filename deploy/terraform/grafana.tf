# The uids are those that dashboards and alerts name; deploy/grafana/provisioning/datasources says the same for containers.

resource "grafana_folder" "lumigate" {
  uid   = "lumigate"
  title = local.grafana_folder
}

resource "grafana_data_source" "prometheus" {
  type = "prometheus"
  name = "Prometheus"
  uid  = "prometheus"
  url  = var.prometheus_url

  json_data_encoded = jsonencode({
    httpMethod                  = "POST"
    timeInterval                = "30s"
    exemplarTraceIdDestinations = [{ name = "trace_id", datasourceUid = "tempo", urlDisplayLabel = "Trace" }]
  })
}

resource "grafana_data_source" "tempo" {
  type = "tempo"
  name = "Tempo"
  uid  = "tempo"
  url  = var.tempo_url

  json_data_encoded = jsonencode({
    tracesToLogsV2 = {
      datasourceUid      = "loki"
      spanStartTimeShift = "-5m"
      spanEndTimeShift   = "5m"
      customQuery        = true
      query              = "{service_name=~\".+\"} | json trace_id=\"trace_id\" | drop __error__, __error_details__ | trace_id=`$${__span.traceId}`"
    }
    tracesToMetrics = { datasourceUid = "prometheus" }
    nodeGraph       = { enabled = true }
  })
}

resource "grafana_data_source" "loki" {
  type = "loki"
  name = "Loki"
  uid  = "loki"
  url  = var.loki_url

  json_data_encoded = jsonencode({
    derivedFields = [
      {
        name            = "trace_id"
        matcherType     = "label"
        matcherRegex    = "trace_id"
        datasourceUid   = "tempo"
        url             = "$${__value.raw}"
        urlDisplayLabel = "Trace"
      },
      {
        name            = "trace_id in the line"
        matcherType     = "regex"
        matcherRegex    = "\"trace_id\":\"([0-9a-f]{32})\""
        datasourceUid   = "tempo"
        url             = "$${__value.raw}"
        urlDisplayLabel = "Trace"
      },
    ]
  })
}

# Wants the plug-in vertamedia-clickhouse-datasource in that Grafana.
resource "grafana_data_source" "analytics_engine" {
  count = nonsensitive(var.analytics_engine_token == "") ? 0 : 1

  type = "vertamedia-clickhouse-datasource"
  name = "Analytics Engine"
  uid  = "analytics-engine"
  url  = "https://api.cloudflare.com/client/v4/accounts/${var.cloudflare_account_id}/analytics_engine/sql"

  json_data_encoded = jsonencode({ usePOST = true })
  http_headers      = { Authorization = "Bearer ${var.analytics_engine_token}" }
}

resource "grafana_dashboard" "generated" {
  for_each = local.dashboards

  folder      = grafana_folder.lumigate.uid
  config_json = file("${local.repository}/dashboards/generated/${each.value}")
  overwrite   = true

  depends_on = [grafana_data_source.prometheus, grafana_data_source.tempo, grafana_data_source.loki]
}
