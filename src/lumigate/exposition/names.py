"""What Prometheus calls things: names, units and labels as its OTLP translation gives them by default.

Dashboards, SLO rules, the exposition and the tests all take their names from here. The rules are those of
https://github.com/prometheus/otlptranslator under the strategy `UnderscoreEscapingWithSuffixes`, and of
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isinf, isnan
from typing import Final, Literal

from lumigate.telemetry.schema import InstrumentKind, Metric

type Type = Literal["counter", "gauge", "histogram"]

_UNITS: Final[Mapping[str, str]] = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER_UNITS: Final[Mapping[str, str]] = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABELS: Final = re.compile(r"[^a-zA-Z0-9_]")
_DIGITS: Final = tuple("0123456789")
_TYPES: Final[Mapping[InstrumentKind, Type]] = {
    InstrumentKind.COUNTER: "counter",
    InstrumentKind.UP_DOWN_COUNTER: "gauge",
    InstrumentKind.GAUGE: "gauge",
    InstrumentKind.HISTOGRAM: "histogram",
}


def prometheus_name(metric: Metric) -> str:
    """The series' name: with `_total` for a counter, without `_bucket`, `_sum`, `_count` for a histogram."""
    return translated_name(metric.name, metric.unit, prometheus_type(metric.kind), level=_is_level(metric))


def prometheus_type(kind: InstrumentKind) -> Type:
    """The type in `# TYPE`. An up-down counter is a gauge."""
    return _TYPES[kind]


def prometheus_label(key: str) -> str:
    """An attribute key as a label name; empty if nothing of it can be one."""
    name = _NOT_IN_LABELS.sub("_", key)
    if not name.strip("_"):
        return ""
    if name.startswith(_DIGITS):
        return f"key_{name}"
    if name.startswith("_") and not name.startswith("__"):
        return f"key{name}"
    return name


def bucket_label(bound: float) -> str:
    """The value of `le` for a bucket's bound, as Prometheus 3 writes it and 2 takes it over: `0.5`, `1.0`, `+Inf`."""
    return open_metrics_number(float(bound))


def translated_name(name: str, unit: str, kind: Type, *, level: bool = False) -> str:
    """The name as Prometheus translates it; empty if nothing of it can be one.

    `level`: a gauge that was an up-down counter, which is no ratio whatever its unit.
    """
    tokens = [token for token in _NOT_IN_NAMES.split(name) if token]
    if not tokens:
        return ""
    main, per = _unit_parts(unit)
    main, per = _clean(main), _clean(per)
    if main and main not in tokens:
        tokens.append(main)
    if per and f"per_{per}" not in tokens:
        tokens.append(f"per_{per}")
    suffix = _suffix(unit, kind, level=level)
    if suffix:
        tokens = [*(token for token in tokens if token != suffix), suffix]
    translated = "_".join(tokens)
    return f"_{translated}" if translated.startswith(_DIGITS) else translated


def utf8_name(name: str, unit: str, kind: Type, *, level: bool = False) -> str:
    """The name for a scraper that takes any UTF-8: not escaped, with the same suffixes."""
    main, per = _unit_parts(unit)
    suffix = _suffix(unit, kind, level=level)
    for ending in (suffix, f"per_{per}" if per else ""):
        if ending and name.endswith(ending) and len(name) > len(ending) + 1:
            name = name[: -len(ending) - 1]  # with what stands before it, be it a dot
    if main and not name.endswith(main):
        name += f"_{main}"
    return name + (f"_per_{per}" if per else "") + (f"_{suffix}" if suffix else "")


def translated_unit(unit: str) -> str:
    """The unit in words, as in `# UNIT`: `seconds`, `bytes_per_second`, or nothing for counts of things."""
    main, per = (_clean(part) for part in _unit_parts(unit))
    return "_".join([*([main] if main else []), *([f"per_{per}"] if per else [])])


def open_metrics_number(value: float) -> str:
    """A float in the form that OpenMetrics calls canonical: Go's shortest, with `.0` where it would look an integer."""
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if abs(value) < 1e6 or "e" in text:
        return text
    # Go writes an exponent from 1e6 on, Python from 1e16
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = (whole + fraction).rstrip("0")
    mantissa = f"{digits[0]}.{digits[1:]}" if digits[1:] else digits
    return f"{'-' if value < 0 else ''}{mantissa}e+{len(whole) - 1:02d}"


def _is_level(metric: Metric) -> bool:
    return metric.kind is InstrumentKind.UP_DOWN_COUNTER


def _suffix(unit: str, kind: Type, *, level: bool) -> str:
    if kind == "counter":
        return "total"
    return "ratio" if unit == "1" and kind == "gauge" and not level else ""


def _unit_parts(unit: str) -> tuple[str, str]:
    """Main unit and what it is per, in words. Annotations in braces say what is counted, not in what unit."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    main = "" if "{" in main or "}" in main else _UNITS.get(main, main)
    per = "" if "{" in per or "}" in per else _PER_UNITS.get(per, per)
    return main, per


def _clean(word: str) -> str:
    return _NOT_IN_NAMES.sub("_", word).strip("_")
