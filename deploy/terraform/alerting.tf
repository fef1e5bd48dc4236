# The alerts of slo/generated/grafana, read from the files: `lumigate slo build` changes them, `terraform apply` brings them.
# The recording rules that they ask are Prometheus's: slo/generated/prometheus.

resource "grafana_contact_point" "receiver" {
  for_each = var.manage_alerting ? local.alert_receivers : toset([])

  name = each.value

  webhook {
    url         = local.receiver_urls[each.value]
    http_method = "POST"
  }
}

resource "grafana_notification_policy" "tree" {
  count = var.manage_alerting && var.own_notification_policies ? 1 : 0

  contact_point   = grafana_contact_point.receiver[local.alert_policy.receiver].name
  group_by        = local.alert_policy.group_by
  group_wait      = local.alert_policy.group_wait
  group_interval  = local.alert_policy.group_interval
  repeat_interval = local.alert_policy.repeat_interval

  dynamic "policy" {
    for_each = local.alert_policy.routes

    content {
      contact_point   = grafana_contact_point.receiver[policy.value.receiver].name
      group_by        = policy.value.group_by
      group_wait      = policy.value.group_wait
      group_interval  = policy.value.group_interval
      repeat_interval = policy.value.repeat_interval

      dynamic "matcher" {
        for_each = policy.value.object_matchers

        content {
          label = matcher.value[0]
          match = matcher.value[1]
          value = matcher.value[2]
        }
      }
    }
  }
}

resource "grafana_rule_group" "slo" {
  for_each = { for group in local.alert_groups : group.name => group if var.manage_alerting }

  name             = each.key
  folder_uid       = grafana_folder.lumigate.uid
  interval_seconds = local.interval_seconds[each.key]

  dynamic "rule" {
    for_each = each.value.rules

    content {
      uid            = rule.value.uid
      name           = rule.value.title
      condition      = rule.value.condition
      for            = rule.value.for
      no_data_state  = rule.value.noDataState
      exec_err_state = rule.value.execErrState
      is_paused      = rule.value.isPaused
      annotations    = rule.value.annotations
      labels         = rule.value.labels

      dynamic "data" {
        for_each = rule.value.data

        content {
          ref_id         = data.value.refId
          datasource_uid = data.value.datasourceUid
          model          = jsonencode(data.value.model)

          relative_time_range {
            from = try(data.value.relativeTimeRange.from, 0)
            to   = try(data.value.relativeTimeRange.to, 0)
          }
        }
      }
    }
  }

  depends_on = [grafana_data_source.prometheus]
}
