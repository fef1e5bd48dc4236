"""Alertmanager's routing: pages at once and by promise, tickets gathered; an alert that explains others mutes them."""

from __future__ import annotations

from typing import Any, Final

from slo import records
from slo.policy import Policy
from slo.rules import to_yaml
from slo.service_alerts import service_alerts
from slo.settings import Settings

PAGE: Final = "lumigate-page"
TICKET: Final = "lumigate-ticket"
GROUP_BY: Final = ("alertname", records.SERVICE, records.SLO)
TICKETS_BY: Final = (records.SERVICE,)
NO_WAIT: Final = "0s"


def alertmanager_config(settings: Settings, policy: Policy) -> str:
    """A configuration for Alertmanager 0.22 or newer; merge its route and receivers into yours if you have one."""
    scale = settings.step_seconds / 60
    silence = next(alert.alert for alert in service_alerts(settings, policy))
    content: dict[str, Any] = {
        "route": {
            "receiver": TICKET,
            "group_by": list(TICKETS_BY),
            "group_wait": _seconds(300 * scale),
            "group_interval": _seconds(3600 * scale),
            "repeat_interval": _seconds(3 * 86_400 * scale),
            "routes": [
                {
                    "matchers": ['severity="page"'],
                    "receiver": PAGE,
                    "group_by": list(GROUP_BY),
                    # a page has been confirmed by two windows: nothing is gained by waiting
                    "group_wait": NO_WAIT,
                    "group_interval": _seconds(60 * scale),
                    "repeat_interval": _seconds(4 * 3600 * scale),
                }
            ],
        },
        "inhibit_rules": [
            # whoever was paged for a promise, or for an event of those beside them, needs no ticket for it
            {
                "source_matchers": ['severity="page"'],
                "target_matchers": ['severity="ticket"'],
                "equal": [records.SERVICE, records.SLO, records.EVENT],
            },
            # while nothing is known of the service, what its promises say means nothing
            {
                "source_matchers": [f'alertname="{silence}"'],
                "target_matchers": [f'alertname!="{silence}"'],
                "equal": [records.SERVICE],
            },
        ],
        "receivers": [
            {"name": PAGE, "webhook_configs": [{"url": settings.receivers.page, "send_resolved": True}]},
            {"name": TICKET, "webhook_configs": [{"url": settings.receivers.ticket, "send_resolved": True}]},
        ],
    }
    return to_yaml(content)


def _seconds(seconds: float) -> str:
    return f"{max(1, round(seconds))}s"
