"""The words of an exception may quote what it choked on: the host can have them redacted wherever they go."""

from __future__ import annotations

import json

import pytest

from tests.telemetry.fakes import Rig, make_rig


def without_secret(text: str) -> str:
    return text.replace("s3cret", "[redacted]")


async def fail_in_every_way(rig: Rig) -> str:
    """Everything that was posted after an exception went to a span by hand, through `with`, and to a log."""
    tracer = rig.telemetry.tracer("t")

    def work() -> None:
        with tracer.start_as_current_span("work") as span:
            try:
                raise KeyError("s3cret of the cause")
            except KeyError as cause:
                span.record_exception(cause)
                rig.telemetry.logger("t").emit(body="failed", exception=cause)
                raise ValueError("s3cret of the effect") from cause

    with pytest.raises(ValueError, match="s3cret"):
        work()
    await rig.flush()
    sent = [*rig.post.of("traces"), *rig.post.of("logs")]
    return json.dumps([[s.spans() if s.url.endswith("traces") else s.logs()] for s in sent])


async def test_no_word_of_an_exception_leaves_unredacted() -> None:
    posted = await fail_in_every_way(make_rig(redact=without_secret))
    assert "s3cret" not in posted
    # Message, stack trace (which tells the cause as well) and status; on a span by hand, a span by `with`, a log.
    assert posted.count("[redacted]") >= 7
    assert "KeyError" in posted


async def test_a_redaction_that_fails_lets_nothing_through() -> None:
    def broken(text: str) -> str:
        raise RuntimeError(text)

    posted = await fail_in_every_way(make_rig(redact=broken))
    assert "s3cret" not in posted
    assert "KeyError" in posted


async def test_without_a_redaction_the_words_are_told() -> None:
    assert "s3cret of the effect" in await fail_in_every_way(make_rig())
