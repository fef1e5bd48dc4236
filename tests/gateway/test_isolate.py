"""One isolate over many requests: side by side, exports behind them, the cron run."""

from __future__ import annotations

import asyncio

from lumigate.gateway import Gateway
from tests.fakes import CHAT_BODY, completion, json_answer, make_gateway, make_settings
from tests.gateway.rig import EXPORT, nothing_was_misused, with_upstream


async def test_an_answer_never_waits_for_an_export() -> None:
    rig = with_upstream(**EXPORT)
    await rig.send()
    assert rig.ports.post.urls == []
    await rig.ports.background.run()
    assert {url.rpartition("/")[2] for url in rig.ports.post.urls} == {"traces", "metrics"}


async def test_an_isolate_serves_requests_side_by_side_without_mixing_them() -> None:
    rig = with_upstream(*(json_answer(completion(str(number))) for number in range(20)))
    bodies = [{**CHAT_BODY, "seed": number} for number in range(20)]
    responses = await asyncio.gather(*(rig.send(body=body) for body in bodies))
    assert {response.status for response in responses} == {200}
    assert len({event["trace_id"] for event in rig.events}) == 20
    by_trace: dict[int, set[str]] = {}
    for span in rig.observed.spans:
        by_trace.setdefault(span.context.trace_id, set()).add(span.name)
    assert all("chat gpt-4o-mini" in names and len(names) == 8 for names in by_trace.values())
    nothing_was_misused(rig)


async def test_the_cron_run_beats_and_flushes() -> None:
    rig = make_gateway(**EXPORT)
    await rig.gateway.scheduled(rig.ports, "* * * * *")
    (event,) = rig.ports.console.events("cron")
    assert event["time"] == "2023-11-14T22:13:20.000Z"
    assert rig.observed.span("cron").attributes == {"lumigate.cron": "* * * * *"}
    assert rig.observed.total("lumigate.heartbeat") == 1
    assert {url.rpartition("/")[2] for url in rig.ports.post.urls} == {"traces", "metrics"}


async def test_a_console_or_collector_that_fails_does_not_fail_the_cron_run() -> None:
    rig = make_gateway(**EXPORT)
    rig.ports.console.fault = OSError("console")
    rig.ports.post.fault = OSError("post")
    await rig.gateway.scheduled(rig.ports)


def test_building_a_gateway_draws_no_entropy_and_reads_no_clock() -> None:
    """It happens while modules are imported, where the platform has neither."""

    class Forbidden:
        def random_bytes(self, count: int) -> bytes:
            raise AssertionError("entropy")

        def now_ns(self) -> int:
            raise AssertionError("clock")

        async def sleep(self, seconds: float) -> None:
            raise AssertionError("timer")

    Gateway(make_settings(), clock=Forbidden(), entropy=Forbidden())
