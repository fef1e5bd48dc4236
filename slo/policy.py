"""What a spent budget means: `slo/policy.yaml`, for people, for alerts and for the release gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from slo.yaml_lines import SpecError, read_documents


class Stage(BaseModel):
    """From `spent` (a part of one) on: what to do, whether releases go on, and who is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spent: Annotated[float, Field(gt=0)]
    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]*$")]
    releases: Literal["open", "reviewed", "blocked"]
    severity: Literal["info", "ticket", "page"]
    action: str


class Gate(BaseModel):
    """When `lumigate slo status` says that there is too little to go by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum_coverage: Annotated[float, Field(ge=0, le=1)]


class Policy(BaseModel):
    """Stages in rising order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: Annotated[list[Stage], Field(min_length=1)]
    gate: Gate

    @model_validator(mode="after")
    def _stages_rise(self) -> Self:
        spent = [stage.spent for stage in self.stages]
        if spent != sorted(set(spent)):
            raise ValueError("stages: each is to be at more spent than the one before")
        return self

    def stage(self, spent: float) -> Stage | None:
        """The stage that a budget is in; None while less than the first stage is spent."""
        passed: Sequence[Stage] = [stage for stage in self.stages if spent >= stage.spent]
        return passed[-1] if passed else None


def load_policy(path: Path) -> Policy:
    """Raises SpecError."""
    documents = read_documents(path, path.name)
    if len(documents) != 1:
        raise SpecError([f"{path.name}: one document is wanted"])
    try:
        return Policy.model_validate(documents[0].content)
    except ValidationError as error:
        raise SpecError(
            [
                documents[0].fault(each["loc"], each["msg"].removeprefix("Value error, "))
                for each in error.errors()
            ]
        ) from None
