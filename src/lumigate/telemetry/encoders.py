"""The encoder of each OTLP protocol: functions from records to the bytes of an export request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lumigate.telemetry.otlp.packing import Packed
from lumigate.telemetry.records import Resource

type Encode = Callable[[Resource, Sequence[Any]], bytes]
"""All records in one request. Raises where one of them cannot be written."""
type EncodeWritable = Callable[[Resource, Sequence[Any], int], Packed]
"""The records that can be written, in requests up to a size, and how many cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """One protocol's content type and encoding of each signal."""

    content_type: str
    encode: dict[str, Encode]
    encode_writable: dict[str, EncodeWritable]


def load_encoder(protocol: str) -> Encoder:
    """Only the protocols in use are imported."""
    if protocol == "http/protobuf":
        from lumigate.telemetry.otlp import protobuf

        return Encoder(
            content_type="application/x-protobuf",
            encode={
                "traces": protobuf.encode_traces,
                "metrics": protobuf.encode_metrics,
                "logs": protobuf.encode_logs,
            },
            encode_writable={
                "traces": protobuf.encode_traces_chunked,
                "metrics": protobuf.encode_metrics_chunked,
                "logs": protobuf.encode_logs_chunked,
            },
        )
    from lumigate.telemetry.otlp import json

    return Encoder(
        content_type="application/json",
        encode={"traces": json.encode_traces, "metrics": json.encode_metrics, "logs": json.encode_logs},
        encode_writable={
            "traces": json.encode_traces_chunked,
            "metrics": json.encode_metrics_chunked,
            "logs": json.encode_logs_chunked,
        },
    )
