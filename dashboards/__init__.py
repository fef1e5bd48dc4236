"""Grafana dashboards, generated from the catalog and from the promises in `slo/`.

A query is built from catalog objects and never spelled: what the catalog lacks cannot be asked for. `boards/` holds one
module a dashboard, `build.py` turns them into `generated/*.json`, which `lumigate dashboards check` compares.
"""
