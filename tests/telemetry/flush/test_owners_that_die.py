"""What happens when the request that exports dies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lumigate.telemetry.host import Host, PostResult
from tests.telemetry.fakes import OK, DeadBackground, make_rig
from tests.telemetry.flush.waiting import StuckClock, settled


async def test_an_owner_killed_while_it_lingers_is_replaced_when_its_lease_expires() -> None:
    rig = make_rig()
    dead = DeadBackground()
    tracer = rig.telemetry.tracer("t")
    tracer.start_span("lost?", parent=None).end()
    rig.telemetry.after_request(Host(post=rig.post, background=dead))
    assert dead.given == 1
    await rig.request("while the lease lasts")
    assert rig.background.tasks == []
    rig.clock.advance(60)
    await rig.request("heir")
    await rig.background.settle()
    assert "lost?" in rig.post.span_names()
    assert rig.telemetry.stats().leases_taken_over == 1


async def test_an_owner_cancelled_while_it_lingers_frees_the_lease_at_once() -> None:
    rig = make_rig()
    clock = StuckClock()
    rig.telemetry._flusher._clock = clock
    await rig.request("first")
    rig.background.tasks[0].cancel()
    await rig.background.settle()
    rig.telemetry._flusher._clock = rig.clock
    await rig.request("second")
    await rig.background.settle()
    assert rig.post.span_names() == ["first", "first child", "second", "second child"]


async def test_an_owner_cancelled_while_it_exports_loses_nothing() -> None:
    """Nobody knows whether the collector has it: it is sent again."""
    rig = make_rig()

    async def hang() -> PostResult:
        await asyncio.Event().wait()
        return OK

    rig.post.by_url["/v1/traces"] = hang
    await rig.request("first")
    await settled()
    assert rig.post.of("traces")
    rig.background.tasks[0].cancel()
    await rig.background.settle()
    rig.post.by_url.clear()
    await rig.request("second")
    await rig.background.settle()
    again = rig.post.of("traces")[1]
    assert [span["name"] for span in again.spans()] == ["first", "first child", "second", "second child"]
    assert rig.telemetry.stats().queues[0].items == 0


async def test_an_owner_killed_while_it_exports_is_found_dead_and_its_batch_sent_again() -> None:
    rig = make_rig()

    async def hang() -> PostResult:
        await asyncio.Event().wait()
        return OK

    rig.post.by_url["/v1/"] = hang
    tracer = rig.telemetry.tracer("t")
    tracer.start_span("first", parent=None).end()
    killed = rig.telemetry.flush(rig.host)
    task = asyncio.ensure_future(killed)
    await settled()
    assert len(rig.post.sent) == 2
    rig.post.by_url.clear()
    await rig.request("too early")
    await rig.background.settle()
    assert rig.post.span_names() == ["first"]
    rig.clock.advance(60)
    await rig.request("late")
    await rig.background.settle()
    assert rig.post.span_names()[1:4] == ["first", "too early", "too early child"]
    assert rig.telemetry.stats().reclaimed >= 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_platform_that_refuses_the_background_work_costs_nothing() -> None:
    rig = make_rig(strict=False)

    def refuse(coroutine: Any, /) -> None:
        raise RuntimeError("the request is over")

    rig.telemetry.tracer("t").start_span("s", parent=None).end()
    rig.telemetry.after_request(Host(post=rig.post, background=refuse))
    assert rig.telemetry.stats().errors == {"after_request": 1}
    await rig.request("next")
    await rig.background.settle()
    assert "s" in rig.post.span_names()
