# Settings that the Worker takes from the account's Secrets Store. Only names are handled here: the provider's resource for a
# secret (cloudflare_secrets_store_secret) would keep its value in the state in plain text, so wrangler puts the values
# there, and the plan looks that they are there and that Workers may read them. An account has one store, made by hand.
data "cloudflare_secrets_store_secrets" "held" {
  count      = length(local.stored) > 0 ? 1 : 0
  account_id = var.cloudflare_account_id
  store_id   = var.store_id

  lifecycle {
    postcondition {
      condition = length(setsubtract(values(local.stored), [for each in self.result : each.name if contains(each.scopes, "workers")])) == 0
      error_message = join(" ", [
        "The Secrets Store lacks, or keeps from Workers:",
        "${join(", ", setsubtract(values(local.stored), [for each in self.result : each.name if contains(each.scopes, "workers")]))}.",
        "For each: npx wrangler secrets-store secret create ${var.store_id} --name NAME --scopes workers --remote",
      ])
    }
  }
}
