"""What is found and what would be false, with vectors of a real model: `pytest tests/cache/near -s -k curve` prints it.

The vectors are those of `minilm.bin`; everything else is what production runs, but for the index, which is the embedded
runtime's. The model knows English only: of Japanese the numbers say what an unfit model costs, which is finds.
"""

from __future__ import annotations

import pytest

from local.runtime.vectors import MemoryVectors
from lumigate.cache.near.confirm import cosine
from lumigate.cache.near.core import core
from lumigate.cache.near.vectors import NearVectors
from lumigate.cache.settings import CacheSettings
from tests.cache.near.labelled import DIFFERENT, SAME
from tests.cache.near.make_vectors import prompts, vector_of, vectors
from tests.cache.near.paraphrases import DIFFERENT as LOOKALIKES
from tests.cache.near.paraphrases import DIFFERENT_HELD_OUT, SAME_HELD_OUT, Pairs
from tests.cache.near.paraphrases import SAME as PARAPHRASES
from tests.cache.near.rig import embed, question
from tests.cache.rig import make_entry
from tests.fakes import fake_ports, make_scope

THRESHOLD = CacheSettings().near_embedding_threshold
CURVE = (0.7, 0.8, 0.85, 0.9, 0.92, 0.95)
IN_OTHER_WORDS = tuple(pair for pair in PARAPHRASES if pair[0].isascii())
HELD_OUT = tuple(pair for pair in SAME_HELD_OUT if pair[0].isascii())
ALL_DIFFERENT = (*DIFFERENT, *LOOKALIKES, *DIFFERENT_HELD_OUT)


async def matches(one: str, other: str, threshold: float = THRESHOLD) -> bool:
    """Whether the answer to one is a candidate for the other."""
    rig = make_scope(ports=fake_ports(vectors=MemoryVectors()))
    near = NearVectors(keys=None, budget_ms=1000, threshold=threshold)

    known = question(rig, one)
    await near.learn(rig.scope, known, make_entry(rig, known), embed)
    with rig.scope.step("cache.lookup") as lookup:
        found = await near.nearest(rig.scope, question(rig, other), lookup, embed)
    return [key for key, _ in found] == [known.key]


def alone(pairs: Pairs, threshold: float) -> int:
    """How many an embedding by itself would take for the same."""
    return sum(cosine(vector_of(one), vector_of(other)) >= threshold for one, other in pairs)


async def counted(pairs: Pairs, threshold: float) -> int:
    return sum([await matches(one, other, threshold) for one, other in pairs])


def test_there_is_a_vector_of_every_prompt() -> None:
    assert len(vectors()) == len(prompts()) >= 500
    assert all(len(vector_of(text)) == 384 for text in prompts())


@pytest.mark.parametrize(("one", "other"), ALL_DIFFERENT)
def test_what_asks_something_else_has_another_core(one: str, other: str) -> None:
    """Whatever an embedding says of the two."""
    assert core(one) != core(other) or not core(one)


async def test_no_threshold_lets_another_question_in() -> None:
    for one, other in ALL_DIFFERENT:
        assert not await matches(one, other, 0.01)
        assert not await matches(other, one, 0.01)


def test_no_pair_is_there_twice() -> None:
    pairs = [frozenset(pair) for pair in (*SAME, *PARAPHRASES, *SAME_HELD_OUT, *ALL_DIFFERENT)]
    assert len(set(pairs)) == len(pairs)


async def test_the_curve_from_which_the_threshold_was_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """Half of what is asked in other words is found in English, nothing false; an embedding alone is false often."""
    lines = ["", f"cosine      found    held out    false    alone, of {len(ALL_DIFFERENT)}"]
    found: dict[float, tuple[int, int]] = {}
    for threshold in CURVE:
        tuned, held = await counted(IN_OTHER_WORDS, threshold), await counted(HELD_OUT, threshold)
        false = await counted(ALL_DIFFERENT, threshold)
        assert false == 0
        found[threshold] = tuned, held
        lines.append(
            f">= {threshold:<8} {tuned:>2} of {len(IN_OTHER_WORDS)}  {held:>2} of {len(HELD_OUT)}"
            f"    {false}        {alone(ALL_DIFFERENT, threshold)} false"
        )
    with capsys.disabled():
        print("\n".join(lines))  # noqa: T201 # the measurement is what this is for
    tuned, held = found[THRESHOLD]
    assert tuned / len(IN_OTHER_WORDS) >= 0.5
    assert held / len(HELD_OUT) >= 0.4
    assert (
        alone(ALL_DIFFERENT, THRESHOLD) / len(ALL_DIFFERENT) > 0.4
    )  # the core is what the precision comes from
