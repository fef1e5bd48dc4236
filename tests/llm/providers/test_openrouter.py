from __future__ import annotations

from lumigate.llm.provider import Answer
from lumigate.llm.providers.openrouter import OpenRouterProvider
from tests.llm.recorded import read_stream, recorded, sent

PROVIDER = OpenRouterProvider()


def test_it_is_asked_for_its_price_and_for_models_that_take_every_parameter() -> None:
    built = sent("openrouter", stream=True, provider={"order": ["x"]})
    assert built["usage"] == {"include": True}
    assert built["provider"] == {"require_parameters": True, "order": ["x"]}
    assert built["stream_options"] == {"include_usage": True}


def test_the_money_it_took_is_learned() -> None:
    answer = Answer()
    PROVIDER.read_answer(recorded("openrouter", "success.json"), answer)
    assert answer.cost_usd == 0.0041
    _, streamed = read_stream(PROVIDER, [recorded("openrouter", "stream.sse")])
    assert streamed.cost_usd == 0.0041


def test_a_failure_in_a_stream_is_one() -> None:
    event = (
        b'data: {"id":"gen-1","error":{"code":502,"message":"Provider disconnected"},'
        b'"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}\n\n'
    )
    answer = Answer()
    passed, _ = PROVIDER.reader(answer, strip_usage=True).read_events(event)
    assert passed == event
    assert answer.failed
