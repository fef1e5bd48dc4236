"""The names of what is recorded, by `service` and `slo` (or `event`): what dashboards, alerts and `slo status` read."""

from __future__ import annotations

from typing import Final

SERVICE: Final = "service"
SLO: Final = "slo"
WINDOW: Final = "window"
IDENTITY: Final = (SERVICE, SLO)

BAD: Final = "slo:bad:increase"
"""Bad events in the last step. May be negative for a moment, if good is counted before the total is."""
TOTAL: Final = "slo:total:increase"
OBSERVED: Final = "slo:observed:bool"
"""1 if telemetry arrives: the heartbeat was seen, with or without traffic."""

ERROR_RATIO: Final = "slo:error:ratio"
"""Bad over total by `window`; 0 where nothing happened."""
BURN_RATE: Final = "slo:burn:rate"
"""Error ratio over budget by `window`: 1 spends the budget in exactly the period."""
PERIOD_BAD: Final = "slo:period_bad:events"
PERIOD_TOTAL: Final = "slo:period_total:events"
ATTAINMENT: Final = "slo:attainment:ratio"
BUDGET_SPENT: Final = "slo:budget_spent:ratio"
"""1 is all of it; more than 1 is a broken promise."""
BUDGET_REMAINING: Final = "slo:budget_remaining:ratio"
EXHAUSTION: Final = "slo:time_to_exhaustion:seconds"
"""At the burn of the first tier's long window and today's traffic; absent while nothing burns."""
COVERAGE: Final = "slo:coverage:ratio"
"""How much of the period was observed."""
COVERAGE_EXPECTED: Final = "slo:coverage_expected:ratio"
"""How much of it can have been, since the first observation."""
FIRST_OBSERVED: Final = "slo:first_observed:timestamp"

OBJECTIVE: Final = "slo:objective:ratio"
PERIOD: Final = "slo:period:seconds"
MINIMUM_BAD: Final = "slo:minimum_bad:events"
"""How many bad events are evidence; below it, no alert."""

EVENT: Final = "event"
EVENT_BAD: Final = "slo:event_bad:increase"
"""What went wrong in the last step, of what is watched beside the promises, by `event`; absent where nothing did."""
EVENT_ALL: Final = "slo:event_all:increase"
"""All of its kind, where a share matters."""
