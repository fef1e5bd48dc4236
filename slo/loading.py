"""Promises from a folder of OpenSLO files, each checked against the catalog; all faults are told at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lumigate.catalog import METRICS
from lumigate.exposition.names import prometheus_label
from lumigate.telemetry.schema import Metric
from slo import openslo, records
from slo.durations import DAY, shorthand_seconds
from slo.indicator import Fault, read_indicator
from slo.model import Promise
from slo.yaml_lines import Document, Location, SpecError, read_documents


def load_promises(folder: Path, metrics: Iterable[Metric] = METRICS) -> list[Promise]:
    """Every promise under `folder`, by file name. Raises SpecError with all faults there are."""
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not files:
        raise SpecError([f"{folder}: there is no .yaml file here"])
    faults: list[str] = []
    documents: list[Document] = []
    for file in files:
        try:
            documents.extend(read_documents(file, f"{folder.name}/{file.name}"))
        except SpecError as error:
            faults.extend(error.faults)
    parsed: list[tuple[Document, openslo.SLO | openslo.SLI]] = []
    for document in documents:
        try:
            if (found := _parse(document)) is not None:
                parsed.append((document, found))
        except SpecError as error:
            faults.extend(error.faults)
    indicators = {found.metadata.name: found.spec for _, found in parsed if isinstance(found, openslo.SLI)}
    promises: dict[str, Promise] = {}
    for document, found in parsed:
        if not isinstance(found, openslo.SLO):
            continue
        try:
            promise = _promise(document, found, indicators, {metric.name: metric for metric in metrics})
        except SpecError as error:
            faults.extend(error.faults)
            continue
        if promise.name in promises:
            faults.append(
                document.fault(
                    ("metadata", "name"), f"{promise.name!r} is promised in {promises[promise.name].source}"
                )
            )
        promises[promise.name] = promise
    if faults:
        raise SpecError(faults)
    if not promises:
        raise SpecError([f"{folder}: there is no SLO in these files"])
    return list(promises.values())


def _parse(document: Document) -> openslo.SLO | openslo.SLI | None:
    kind = openslo.header_of(document.content)
    if kind in openslo.CARRY_NOTHING:
        return None
    model = openslo.MODELS.get(kind or "")
    if model is None:
        place: Location = ("kind",) if kind else ()
        what = f"{kind!r} is not read here; SLO and SLI are" if kind else "not an openslo/v1 document"
        raise SpecError([document.fault(place, what)])
    try:
        return model.model_validate(document.content)
    except ValidationError as error:
        # what may be of several kinds is refused once by each of them
        messages: dict[Location, dict[str, None]] = {}
        for each in error.errors():
            messages.setdefault(_in_document(each, document), {})[_message(dict(each))] = None
        raise SpecError([document.fault(at, ", or ".join(found)) for at, found in messages.items()]) from None


def _promise(
    document: Document,
    found: openslo.SLO,
    indicators: dict[str, openslo.IndicatorSpec],
    metrics: dict[str, Metric],
) -> Promise:
    spec = found.spec
    place: Location = ("spec", "indicator", "spec")
    if spec.indicator is not None:
        indicator = spec.indicator.spec
    elif spec.indicator_ref in indicators:
        indicator, place = indicators[spec.indicator_ref], ("spec", "indicatorRef")
    else:
        raise SpecError(
            [document.fault(("spec", "indicatorRef"), f"there is no SLI named {spec.indicator_ref!r}")]
        )
    objective = spec.objectives[0]
    try:
        read = read_indicator(indicator, objective, metrics)
    except Fault as fault:
        at = ("spec", *fault.at) if fault.at[0] == "objectives" else (*place, *fault.at)
        raise SpecError([document.fault(at, fault.message)]) from None
    labels = {
        prometheus_label(key): value if isinstance(value, str) else ",".join(value)
        for key, value in found.metadata.labels.items()
    }
    for name in (*records.IDENTITY, records.WINDOW, "severity"):
        labels.pop(name, None)  # these say what a rule is of
    if reserved := [
        key for key in found.metadata.labels if not prometheus_label(key).strip("_") or key[:2] == "__"
    ]:
        raise SpecError([document.fault(("metadata", "labels", reserved[0]), "no label can have this name")])
    promise = Promise(
        name=found.metadata.name,
        title=found.metadata.display_name or found.metadata.name,
        description=" ".join(spec.description.split()),
        service=spec.service,
        period=shorthand_seconds(spec.time_window[0].duration),
        target=objective.exact,
        indicator=read.indicator,
        policy=spec.alert_policies[0].alert_policy_ref if spec.alert_policies else "page-and-ticket",
        points=read.points,
        labels=labels,
        annotations={_annotation(key): text for key, text in found.metadata.annotations.items()},
        source=document.file,
    )
    if promise.period < DAY:
        what = "a period of less than 1d has windows that are shorter than the steps of a minute they are counted in"
        raise SpecError([document.fault(("spec", "timeWindow", 0, "duration"), what)])
    wanted = {tier.severity for tier in promise.tiers(60.0)}
    if missing := promise.severities - wanted:
        what = f"with a budget of {promise.budget} even a full outage is too slow for a {min(missing)}"
        raise SpecError([document.fault(("spec", "objectives", 0), what)])
    return promise


def _annotation(key: str) -> str:
    """As Prometheus can have it; of `page.labels/KEY` and the like, the key alone is its to judge."""
    scope, slash, name = key.rpartition("/")
    return f"{scope}{slash}{prometheus_label(name) or name}"


def _message(error: dict[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return "there is no such field here"
    return message[0].lower() + message[1:]


def _in_document(error: ErrorDetails, document: Document) -> Location:
    """Pydantic's location without the names of union members, which are nowhere in the file; nor is what is missing."""
    found: Location = ()
    for part in error["loc"]:
        if (*found, part) in document.lines:
            found = (*found, part)
    return (*found, error["loc"][-1]) if error["type"] == "missing" else found
