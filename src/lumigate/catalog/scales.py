"""Bucket boundaries of the histograms."""

from __future__ import annotations

HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""HTTP semantic conventions, `http.server.request.duration`."""
GEN_AI_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""GenAI semantic conventions, the client metrics."""
STEP_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.5)
"""For steps inside the gateway; holds every threshold that a promise in `slo/` names."""
COST_USD = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""What a request may cost; holds the threshold that a promise in `slo/` names."""
LAG_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1200.0)
"""How long a batch of metrics takes to its shard: milliseconds, or the twenty minutes after which it is given up."""
BUDGET_RATIO = (0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 1.0)
"""How much of a budget is spent."""
