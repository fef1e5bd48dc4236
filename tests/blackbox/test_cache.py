"""What repeats is answered from the cache; tenants never share; an incomplete answer is never kept."""

from __future__ import annotations

import json
import time
import uuid

import httpx

from tests.blackbox.conftest import Stage, eventually

CHAT = "/v1/chat/completions"


def question(text: str = "", **more: object) -> dict[str, object]:
    return {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"{text} {uuid.uuid4()}"}],
        **more,
    }


def test_a_repeated_question_is_answered_from_memory(stage: Stage, http: httpx.Client) -> None:
    body = question()
    first = http.post(CHAT, json=body, headers=stage.headers())
    second = http.post(CHAT, json=body, headers=stage.headers())
    assert (first.headers["x-lumigate-cache"], first.headers["x-lumigate-attempts"]) == ("miss", "1")
    assert second.headers["x-lumigate-cache"].startswith("hit-")
    assert second.headers["x-lumigate-attempts"] == "0"
    assert second.headers["x-lumigate-provider"] == "openai"
    assert second.content == first.content


def test_a_repeated_stream_is_replayed_as_a_stream(stage: Stage, http: httpx.Client) -> None:
    body = question(stream=True)
    first = http.post(CHAT, json=body, headers=stage.headers())
    second = http.post(CHAT, json=body, headers=stage.headers())
    assert second.headers["x-lumigate-cache"].startswith("hit-")
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.content == first.content
    assert second.content.endswith(b"data: [DONE]\n\n")


def test_tenants_never_share_an_answer(staged: Stage, http: httpx.Client) -> None:
    body = question()
    for tenant in ("red", "blue"):
        headers = {"authorization": f"Bearer {staged.token(tenant=tenant)}"}
        assert http.post(CHAT, json=body, headers=headers).headers["x-lumigate-cache"] == "miss"


def test_no_cache_goes_past_it_and_its_answer_is_kept_for_others(stage: Stage, http: httpx.Client) -> None:
    body = question()
    fresh = stage.headers(**{"cache-control": "no-cache"})
    answers = [http.post(CHAT, json=body, headers=fresh) for _ in range(2)]
    for answer in answers:
        assert (answer.headers["x-lumigate-cache"], answer.headers["x-lumigate-attempts"]) == ("bypass", "1")
    hit = http.post(CHAT, json=body, headers=stage.headers())
    assert hit.headers["x-lumigate-cache"].startswith("hit-")
    assert hit.content == answers[-1].content


def test_no_store_leaves_nothing_behind(stage: Stage, http: httpx.Client) -> None:
    body = question()
    http.post(CHAT, json=body, headers=stage.headers(**{"cache-control": "no-store"}))
    assert http.post(CHAT, json=body, headers=stage.headers()).headers["x-lumigate-cache"] == "miss"


def test_an_answer_past_its_time_is_served_stale_and_asked_for_anew(stage: Stage, http: httpx.Client) -> None:
    body = question()
    short = stage.headers(**{"x-lumigate-cache-ttl": "1"})
    http.post(CHAT, json=body, headers=short)

    def outcome() -> str:
        return http.post(CHAT, json=body, headers=stage.headers()).headers["x-lumigate-cache"]

    assert eventually(lambda: outcome() == "stale-l1")
    assert eventually(lambda: outcome() == "hit-l1")


def test_a_stream_answers_who_wants_it_whole_and_the_other_way_round(
    stage: Stage, http: httpx.Client
) -> None:
    for first, second in ((True, False), (False, True)):
        body = question()
        one = http.post(CHAT, json={**body, "stream": first}, headers=stage.headers())
        other = http.post(CHAT, json={**body, "stream": second}, headers=stage.headers())
        assert (one.headers["x-lumigate-cache"], other.headers["x-lumigate-cache"]) == ("miss", "hit-l1")
        streamed, whole = (one, other) if first else (other, one)
        said = "".join(
            json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
            for line in streamed.text.splitlines()
            if line.startswith("data: {") and json.loads(line[6:])["choices"]
        )
        assert said == whole.json()["choices"][0]["message"]["content"]


def test_a_refusal_is_remembered_for_seconds(staged: Stage, http: httpx.Client) -> None:
    body = question("[[mock fault=status-422]]")
    first = http.post(CHAT, json=body, headers=staged.headers())
    again = http.post(CHAT, json=body, headers=staged.headers())
    assert first.status_code == again.status_code == 422
    assert (again.headers["x-lumigate-cache"], again.headers["x-lumigate-attempts"]) == ("hit-l1", "0")
    assert again.json()["error"]["message"] == first.json()["error"]["message"]


def test_a_question_that_is_asked_otherwise_is_near(staged: Stage, http: httpx.Client) -> None:
    # near matches are off unless a deployment sets CACHE_NEAR_THRESHOLD
    topic = uuid.uuid4().hex

    def asked(text: str) -> httpx.Response:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
        return http.post(CHAT, json=body, headers=staged.headers())

    answers = [asked(f"What is the meaning of {topic}?")]

    def learnt() -> bool:
        """In the background."""
        answers.append(asked(f"Please tell me the meaning of {topic}{'.' * len(answers)}"))
        return answers[-1].headers["x-lumigate-cache"] != "miss"

    assert eventually(learnt)
    assert answers[-1].headers["x-lumigate-cache"] in ("near-l1", "near-l2")
    assert answers[-1].content in [answer.content for answer in answers[:-1]]
    assert asked(f"Please tell me the meaning of {topic} in 3 words").headers["x-lumigate-cache"] == "miss"


def test_a_purge_takes_a_tenants_answers_out(staged: Stage, http: httpx.Client) -> None:
    body = question()
    whose = {"authorization": f"Bearer {staged.token(tenant='purged')}"}
    admin = {"authorization": f"Bearer {staged.token(scope='admin')}"}

    def outcome() -> str:
        return http.post(CHAT, json=body, headers=whose).headers["x-lumigate-cache"]

    assert [outcome(), outcome()] == ["miss", "hit-l1"]
    assert http.post("/admin/cache/purge", json={"tenant": "purged"}, headers=whose).status_code == 403
    told = http.post("/admin/cache/purge", json={"tenant": "purged"}, headers=admin)
    assert (told.status_code, told.json()["kind"]) == (200, "tenant")
    time.sleep(0.01)  # what is kept within the purge's own millisecond is purged as well
    assert outcome() == "miss"
    erased = http.post("/admin/cache/purge", json={"tenant": "purged", "erase": True}, headers=admin).json()
    assert erased["more"] is False
    below = http.get("/admin/cache?tenant=purged", headers=admin).json()
    assert (below["l2"]["entries"], below["l3"]["entries"]) == (0, 0)


def test_two_tenants_that_hammer_the_same_prompts_never_see_each_others_answers(
    staged: Stage, http: httpx.Client
) -> None:
    """The mock numbers its answers, so an answer tells which call it came from."""
    prompts = [question() for _ in range(4)]
    seen: dict[str, dict[int, set[str]]] = {}
    for tenant in ("red", "blue") * 5:
        headers = {"authorization": f"Bearer {staged.token(tenant=tenant)}"}
        for number, body in enumerate(prompts):
            answer = http.post(CHAT, json=body, headers=headers)
            seen.setdefault(tenant, {}).setdefault(number, set()).add(answer.json()["id"])
    for number in range(len(prompts)):
        assert len(seen["red"][number]) == len(seen["blue"][number]) == 1
        assert seen["red"][number].isdisjoint(seen["blue"][number])


def test_a_cut_stream_is_not_kept(staged: Stage, http: httpx.Client) -> None:
    body = question("[[mock fault=half-event-clean]]", stream=True)
    for _ in range(2):
        answer = http.post(CHAT, json=body, headers=staged.headers())
        assert answer.headers["x-lumigate-cache"] == "miss"


def test_an_error_is_not_kept(staged: Stage, http: httpx.Client) -> None:
    body = question("[[mock fault=status-500 times=2]]")
    assert http.post(CHAT, json=body, headers=staged.headers()).status_code == 502
    assert http.post(CHAT, json=body, headers=staged.headers()).status_code == 200


def test_what_memory_does_not_take_is_found_in_the_tier_below(staged: Stage, http: httpx.Client) -> None:
    """It went there sealed, and comes back opened."""
    body = question("[[mock fault=huge bytes=4000000]]")
    first = http.post(CHAT, json=body, headers=staged.headers())

    def found() -> httpx.Response | None:
        """It is written in the background."""
        answer = http.post(CHAT, json=body, headers=staged.headers())
        return None if answer.headers["x-lumigate-cache"] == "miss" else answer

    again = eventually(found)
    assert again.headers["x-lumigate-cache"] in ("hit-l2", "hit-l3")
    assert again.json()["choices"] == first.json()["choices"]
