"""Who is speaking: the resource every export carries.

Precedence, highest first: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, what the application knows (cloud, colo,
version), the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lumigate.telemetry.attributes import cleaned
from lumigate.telemetry.records import Resource

VERSION: Final = "0.1.0"


def build_resource(
    service_name: str, configured: Mapping[str, Any], application: Mapping[str, Any]
) -> Resource:
    attributes: dict[str, Any] = {
        "service.name": "unknown_service",
        **application,
        **configured,
        "telemetry.sdk.name": "lumigate",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": VERSION,
    }
    if service_name:
        attributes["service.name"] = service_name
    clean, _, _ = cleaned(attributes, 128, 1024)
    return Resource(attributes=clean)
