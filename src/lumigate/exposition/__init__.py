"""`GET /metrics`: cumulative metrics as Prometheus text or OpenMetrics, named as Prometheus' OTLP translation does.

form = negotiate(headers.get("accept"))                       # where the scrape arrives
text = fragment(families(metrics, form, instance="shard-0"))  # in each shard
body = exposition(texts, form)                                # where it arrived; with form.content_type
"""

from lumigate.exposition.families import Family, families
from lumigate.exposition.names import bucket_label, prometheus_label, prometheus_name, prometheus_type
from lumigate.exposition.negotiation import OPEN_METRICS, TEXT, Format, negotiate
from lumigate.exposition.text import exposition, families_of, fragment

__all__ = [
    "OPEN_METRICS",
    "TEXT",
    "Family",
    "Format",
    "bucket_label",
    "exposition",
    "families",
    "families_of",
    "fragment",
    "negotiate",
    "prometheus_label",
    "prometheus_name",
    "prometheus_type",
]
