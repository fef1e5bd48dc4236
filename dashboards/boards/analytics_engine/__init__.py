"""Explore: Analytics Engine: what metrics cannot say, because tenants, countries and traces are too many for labels."""

from __future__ import annotations

from dashboards.board import Board, Row
from dashboards.boards import uids
from dashboards.boards.analytics_engine import glance, models, tenants, wrong
from dashboards.variables import data_source, dataset, from_points


def board(default_dataset: str) -> Board:
    return Board(
        uid=uids.ANALYTICS_ENGINE,
        title="Explore: Analytics Engine",
        description="By tenant, country, data centre, model and version: one point a request, weighted for sampling.",
        tags=("explore", "analytics-engine"),
        since="now-24h",
        refresh="5m",
        variables=[
            data_source("vertamedia-clickhouse-datasource"),
            dataset(default_dataset),
            from_points("environment", "Environment", "environment"),
            from_points("tenant", "Tenant", "tenant"),
            from_points("route", "Route", "route"),
            from_points("model", "Model", "model"),
        ],
        rows=[
            Row(title="At a glance", panels=glance.numbers()),
            Row(title="Tenants", panels=tenants.tenants()),
            Row(title="Places", panels=tenants.places()),
            Row(title="Models and versions", panels=models.models()),
            Row(title="What went wrong", panels=wrong.wrong()),
        ],
    )
