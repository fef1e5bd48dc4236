"""LogQL by Loki's own code, TraceQL by Grafana's own grammar: what was validated, with what, and the way to do it again.

Neither is needed by the tests: `validated.json` holds a digest of every query that passed, and a query that changed
since then fails until `uv run python -m tests.dashboards.parsers` has passed it; that needs Go, Node and their registries.
"""
