"""LogQL by Loki's own code, TraceQL by Grafana's own grammar: what was validated, with what, and how to do it again.

Neither is needed by the tests: `validated.json` holds a digest of every query that passed, and one that changed since
then fails until `uv run python -m tests.dashboards.parsers` has passed it. That needs Go, Node and their registries.
"""
