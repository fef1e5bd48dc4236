"""Sloth's `prometheus/v1` specs, turned into OpenSLO: so that a team can bring theirs.

https://github.com/slok/sloth/blob/main/pkg/prometheus/api/v1/v1.go. Queries stay as they are; what is generated from
them is ours. With `lumigate slo build --names sloth` the numbers are recorded under Sloth's names too, and alerts bear
its labels. An alert's `severity` stays ours, `page` or `ticket`: the routing and the muting go by it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from slo.durations import shorthand_seconds
from slo.promql import UnreadableQuery, increases_of_query
from slo.sloth_names import SLOTH_SERVICE, SLOTH_SLO
from slo.yaml_lines import Document, SpecError, read_documents


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RawSli(_Model):
    """A ratio."""

    error_ratio_query: str


class EventsSli(_Model):
    """Two counts."""

    error_query: str
    total_query: str

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        for query in (self.error_query, self.total_query):
            try:
                increases_of_query(query, step=60.0)
            except UnreadableQuery as error:
                raise ValueError(str(error)) from None
        return self


class PluginSli(_Model):
    """A plug-in of Sloth's, which is Go and is not run here."""

    id: str
    options: dict[str, str] = {}


class Sli(_Model):
    """One of them."""

    raw: RawSli | None = None
    events: EventsSli | None = None
    plugin: PluginSli | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.plugin is not None:
            raise ValueError(f"the plug-in {self.plugin.id!r} is Go: write its queries out as events")
        if (self.raw is None) is (self.events is None):
            raise ValueError("an sli has raw or events, and not both")
        return self


class AlertSpec(_Model):
    """A page or a ticket. Its own labels and annotations become annotations of the promise that say whose they are."""

    disable: bool = False
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Alerting(_Model):
    """Which alerts there are."""

    name: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    page_alert: AlertSpec = AlertSpec()
    ticket_alert: AlertSpec = AlertSpec()


def _sayable(name: str) -> str:
    if not _name(name):
        raise ValueError(f"{name!r} has no letter or digit of a-z, 0-9")
    return name


class Slo(_Model):
    """A promise."""

    name: Annotated[str, AfterValidator(_sayable)]
    objective: Annotated[float, Field(gt=0, lt=100)]
    description: str = ""
    labels: dict[str, str] = {}
    sli: Sli
    alerting: Alerting = Alerting()


class Spec(_Model):
    """A file."""

    version: Literal["prometheus/v1"]
    service: Annotated[str, AfterValidator(_sayable)]
    labels: dict[str, str] = {}
    slos: Annotated[list[Slo], Field(min_length=1)]


def import_sloth(path: Path, period: str = "30d") -> dict[str, str]:
    """OpenSLO documents by file name. Raises SpecError with file, line and field."""
    try:
        shorthand_seconds(period)
    except ValueError as error:
        raise SpecError([f"--period: {error}"]) from None
    files: dict[str, str] = {}
    faults: list[str] = []
    for document in read_documents(path):
        try:
            spec = Spec.model_validate(document.content)
        except ValidationError as error:
            faults += [_fault(document, dict(each)) for each in error.errors()]
            continue
        for index, slo in enumerate(spec.slos):
            file = f"{_name(slo.name)}.yaml"
            if file in files:
                what = f"another one comes as {file} as well: a promise's name is of all services, in a-z, 0-9 and -"
                faults.append(document.fault(("slos", index, "name"), what))
            files[file] = _document(spec, slo, period)
    if faults:
        raise SpecError(faults)
    return files


def _document(spec: Spec, slo: Slo, period: str) -> str:
    ratio: dict[str, Any]
    if slo.sli.events is not None:
        ratio = {
            "counter": True,
            "bad": _source(slo.sli.events.error_query),
            "total": _source(slo.sli.events.total_query),
        }
    else:
        assert slo.sli.raw is not None
        ratio = {"rawType": "failure", "raw": _source(slo.sli.raw.error_ratio_query)}
    policy = {
        (False, False): "page-and-ticket",
        (False, True): "page-only",
        (True, False): "ticket-only",
        (True, True): "no-alerts",
    }[slo.alerting.page_alert.disable, slo.alerting.ticket_alert.disable]
    content = {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {
            "name": _name(slo.name),
            "displayName": slo.alerting.name or slo.name,
            "labels": {**spec.labels, **slo.labels},
            "annotations": {
                **_known_as(spec, slo),
                **slo.alerting.annotations,
                **_of_one_alert(slo.alerting),
            },
        },
        "spec": {
            "description": slo.description or slo.alerting.name or slo.name,
            "service": _name(spec.service),
            "indicator": {"metadata": {"name": _name(slo.name)}, "spec": {"ratioMetric": ratio}},
            "timeWindow": [{"duration": period, "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"targetPercent": float(Decimal(repr(slo.objective)))}],
            "alertPolicies": [{"alertPolicyRef": policy}],
        },
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _known_as(spec: Spec, slo: Slo) -> dict[str, str]:
    """Names that OpenSLO cannot have, for the labels that dashboards know them by."""
    names = ((SLOTH_SERVICE, spec.service), (SLOTH_SLO, slo.name))
    return {key: name for key, name in names if name != _name(name)}


def _of_one_alert(alerting: Alerting) -> dict[str, str]:
    """What both alerts share counts as each one's own: Sloth puts it on no record."""
    return {
        f"{severity}.{kind}/{key}": value
        for severity, alert in (("page", alerting.page_alert), ("ticket", alerting.ticket_alert))
        for kind, texts in (
            ("labels", {**alerting.labels, **alert.labels}),
            ("annotations", alert.annotations),
        )
        for key, value in texts.items()
    }


def _source(query: str) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query.strip()}}}


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", text.lower())[:63].strip("-")


def _fault(document: Document, error: dict[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    return document.fault(error["loc"], message[:1].lower() + message[1:])
