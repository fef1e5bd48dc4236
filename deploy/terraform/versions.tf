terraform {
  required_version = ">= 1.9" # validations that look at other variables

  required_providers {
    cloudflare = {
      source  = "cloudflare/cloudflare"
      version = "~> 5.24" # validated and planned with 5.24.0
    }
    grafana = {
      source  = "grafana/grafana"
      version = ">= 3.18, < 5.0"
    }
  }
}

provider "cloudflare" {
  api_token = var.cloudflare_api_token
}

provider "grafana" {
  url  = var.grafana_url
  auth = var.grafana_token
}
