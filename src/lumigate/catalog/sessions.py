"""Coding sessions: what was asked of them, how long messages waited for their turn, what was let go."""

from __future__ import annotations

from lumigate.catalog.http import ERROR_TYPE
from lumigate.catalog.scales import GEN_AI_SECONDS, STEP_SECONDS
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric, SpanType

CONVERSATION_ID = Attribute(
    key="gen_ai.conversation.id",
    description="The session, by 16 hex digits that do not lead back to its id; elsewhere as the caller names it.",
)
SESSION_OPERATION = Attribute(
    key="lumigate.session.operation",
    description="What was asked of a session; `replay`: of its messages, those that had been answered before.",
    values=frozenset({"create", "message", "replay", "read", "code", "delete", "forget", "export"}),
)
SESSION_RESULT = Attribute(
    key="lumigate.session.result",
    description="What came of it.",
    values=frozenset({"ok", "not_found", "busy", "turn_lost", "refused", "failed"}),
)
SESSION_STEP = Attribute(
    key="lumigate.session.step",
    description="One call to the session's object or to its subject's index.",
    values=frozenset({"create", "begin", "commit", "abandon", "read", "remove", "index"}),
)
SESSION_OPERATIONS = Metric(
    name="lumigate.session.operations",
    unit="{operation}",
    kind=InstrumentKind.COUNTER,
    description="Operations on sessions by result.",
    attributes=(SESSION_OPERATION, SESSION_RESULT),
)
SESSION_WAIT = Metric(
    name="lumigate.session.wait",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="How long a message waited for its turn.",
    buckets=GEN_AI_SECONDS,
)
SESSION_STEP_DURATION = Metric(
    name="lumigate.session.step.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time a call to a session's object took.",
    attributes=(SESSION_STEP,),
    buckets=STEP_SECONDS,
)
SESSION_TURNS_DROPPED = Metric(
    name="lumigate.session.turns_dropped",
    unit="{turn}",
    kind=InstrumentKind.COUNTER,
    description="Turns that left the history of a session for want of room.",
)
SESSION_SPAN = SpanType(
    name="session.{lumigate.session.step}",
    kind="internal",
    description="One call to a session's object.",
    attributes=(
        SESSION_STEP,
        CONVERSATION_ID,
        ERROR_TYPE,
        Attribute(key="lumigate.session.status", description="What the object said."),
        Attribute(key="lumigate.session.turn", description="The turn, counted from 1.", type=int),
    ),
)
