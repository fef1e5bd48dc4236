from __future__ import annotations

import json
from collections import Counter

from local.load import FRESH_SHARE, KINDS, LoadGenerator
from local.mocks.issuer import SigningKey, TokenMint
from local.mocks.openai_upstream import Behaviour
from local.runtime.embedded import EmbeddedRuntime
from tests.local.stubs import until

MINT = TokenMint(SigningKey.generate())


async def test_what_was_sent_is_what_the_gateway_saw() -> None:
    async with EmbeddedRuntime(behaviour=Behaviour(completion_tokens=6)) as runtime:
        load = LoadGenerator(runtime.url, runtime.issuer, rps=60, seed=7)
        await load.run(seconds=2.5)
        counts = load.counts
        assert sum(counts.sent.values()) > 100
        assert set(counts.sent) == set(KINDS)
        assert not counts.unexpected
        assert not counts.unanswered
        await until(lambda: len(runtime.ports.console.lines) == sum(counts.sent.values()))
        events = [json.loads(line) for line in runtime.ports.console.lines]
    statuses = Counter(event["status"] for event in events)
    assert statuses[401] == counts.sent["expired_token"] + counts.sent["missing_token"]
    answered: Counter[int] = Counter()
    for (_, status), count in counts.statuses.items():
        answered[status] += count
    assert statuses == answered
    outcomes = Counter(event["outcome"] for event in events)
    assert outcomes["client_abort"] == counts.sent["hang_up"]
    assert {event["cache"] for event in events if event.get("cache")} >= {"hit-l1", "miss"}


def test_the_same_seed_makes_the_same_sequence_and_another_another() -> None:
    one, two, other = (LoadGenerator("http://x", MINT, rps=1, seed=seed) for seed in (3, 3, 4))
    sequence = [(planned.name, planned.content) for planned in (one.plan() for _ in range(200))]
    assert sequence == [(planned.name, planned.content) for planned in (two.plan() for _ in range(200))]
    assert sequence != [(planned.name, planned.content) for planned in (other.plan() for _ in range(200))]


def test_prompts_repeat_by_zipf_and_some_are_fresh() -> None:
    load = LoadGenerator("http://x", MINT, rps=1, seed=1)
    plans = [planned for planned in (load.plan() for _ in range(4000)) if planned.name in ("chat", "stream")]
    prompts = Counter(json.loads(planned.content)["messages"][0]["content"] for planned in plans)
    fresh = sum(count for prompt, count in prompts.items() if prompt.startswith("A fresh"))
    assert abs(fresh / len(plans) - FRESH_SHARE) < 0.05
    often = prompts["A question often asked, number 0"]
    assert often > 2 * prompts["A question often asked, number 4"] > 0


def test_what_misbehaves_is_never_a_prompt_that_may_be_cached() -> None:
    load = LoadGenerator("http://x", MINT, rps=1, seed=1)
    marked = [planned.content for planned in (load.plan() for _ in range(2000)) if planned.kind.marker]
    assert len(marked) == len(set(marked)) > 100
