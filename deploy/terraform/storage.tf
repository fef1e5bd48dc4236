# What the Worker keeps. Analytics Engine has no resource: the dataset is made by the first write to it.

resource "cloudflare_workers_kv_namespace" "cache" {
  account_id = var.cloudflare_account_id
  title      = "${local.worker}-cache"
}

resource "cloudflare_r2_bucket" "blobs" {
  account_id = var.cloudflare_account_id
  name       = local.blobs_bucket
}

resource "cloudflare_r2_bucket" "blobs_eu" {
  account_id   = var.cloudflare_account_id
  name         = local.blobs_eu_bucket
  jurisdiction = "eu"
}

resource "cloudflare_r2_bucket_lifecycle" "blobs" {
  account_id  = var.cloudflare_account_id
  bucket_name = cloudflare_r2_bucket.blobs.name

  rules = [for prefix, days in local.swept : {
    id         = "expire ${prefix}"
    enabled    = true
    conditions = { prefix = prefix }
    delete_objects_transition = {
      condition = { type = "Age", max_age = days * local.day_seconds }
    }
  }]
}

resource "cloudflare_r2_bucket_lifecycle" "blobs_eu" {
  account_id   = var.cloudflare_account_id
  bucket_name  = cloudflare_r2_bucket.blobs_eu.name
  jurisdiction = "eu"

  rules = [for prefix, days in local.swept : {
    id         = "expire ${prefix}"
    enabled    = true
    conditions = { prefix = prefix }
    delete_objects_transition = {
      condition = { type = "Age", max_age = days * local.day_seconds }
    }
  }]
}
