"""Where the generated alerts go and what they link to: `slo/settings.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lumigate.catalog import METRICS
from slo.durations import MINUTE
from slo.yaml_lines import SpecError, read_documents


def _url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError(f"{value!r} is not an http URL")
    return value.rstrip("/")


type Url = Annotated[str, AfterValidator(_url)]


class Dashboards(BaseModel):
    """Grafana, and the dashboard that shows the cause of an alert, by promise or event; `slo` is for all the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grafana_url: Url
    folder: str
    datasource_uid: str
    slo: str
    by_slo: Mapping[str, str] = {}
    by_event: Mapping[str, str] = {}

    def uid(self, name: str) -> str:
        return self.by_slo.get(name, self.slo)

    def of_event(self, name: str) -> str:
        return self.by_event.get(name, self.slo)


class Receivers(BaseModel):
    """Webhooks that pages and tickets are sent to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: Url
    ticket: Url


class Settings(BaseModel):
    """`step_seconds` is how often rules are evaluated, `settle_seconds` how long a sample may take to be stored.

    A step below a minute is for tests that compress time: with periods made shorter by as much, an hour's burn is
    played in a minute by the same rules.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str
    heartbeat: str
    matchers: Mapping[str, str] = {}
    runbook_url: Url
    dashboards: Dashboards
    receivers: Receivers
    analytics_engine_dataset: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    temporality: Literal["cumulative", "delta"] = "cumulative"
    step_seconds: Annotated[float, Field(gt=0)] = MINUTE
    settle_seconds: Annotated[float, Field(ge=0)] = 8.0
    names: Literal["lumigate", "sloth"] = "lumigate"

    @model_validator(mode="after")
    def _heartbeat_is_declared(self) -> Self:
        if self.heartbeat not in {metric.name for metric in METRICS}:
            raise ValueError(f"heartbeat: the catalog has no metric {self.heartbeat!r}")
        return self

    @model_validator(mode="after")
    def _settles_within_a_step(self) -> Self:
        if self.settle_seconds >= self.step_seconds:
            raise ValueError(
                f"settle_seconds: {self.settle_seconds:g} is not shorter than a step of {self.step_seconds:g} s"
            )
        return self

    @property
    def delay_steps(self) -> int:
        """How many steps after a sample that lies exactly on a step its growth is recorded."""
        return 1 if self.settle_seconds else 0


def load_settings(path: Path) -> Settings:
    """Raises SpecError."""
    documents = read_documents(path, path.name)
    if len(documents) != 1:
        raise SpecError([f"{path.name}: one document is wanted"])
    try:
        return Settings.model_validate(documents[0].content)
    except ValidationError as error:
        raise SpecError(
            [
                documents[0].fault(each["loc"], each["msg"].removeprefix("Value error, "))
                for each in error.errors()
            ]
        ) from None
