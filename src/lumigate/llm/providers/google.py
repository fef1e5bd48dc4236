"""Google's Gemini API: generateContent and streamGenerateContent.

Shapes: https://ai.google.dev/api/generate-content, …/docs/thought-signatures, …/api/embeddings. A stream has no closing
mark: it ends when the connection does. The signature of a thought travels on its tool call as
`extra_content.google.thought_signature`, as in Google's own OpenAI-compatible API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.llm.canonical import encode, write_completion
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import (
    MAX_MESSAGE_CHARS,
    Answer,
    BadAnswer,
    Call,
    EventReader,
    mapping,
    refuse_unknown,
    sequence,
    text,
)
from lumigate.llm.providers.google_answers import GoogleReader, choice_of, learn, learn_finish
from lumigate.llm.providers.google_requests import generate_request
from lumigate.llm.providers.openai import json_headers
from lumigate.llm.vectors import embeddings_document, texts_of


class GoogleProvider:
    """The `Provider` protocol; without state."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        request = generate_request(access, route, chat)
        method = "streamGenerateContent?alt=sse" if chat.stream else "generateContent"
        return _call(access, route, method, request, stream=chat.stream)

    def beyond_the_cap(self, route: ModelRoute, body: Mapping[str, Any]) -> int:
        del route, body
        return 0

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        document = strict_json.load_object(body)
        if document is None:
            raise BadAnswer("it is not a JSON object")
        candidates = document.get("candidates")
        blocked = mapping(document.get("promptFeedback")).get("blockReason")
        if not isinstance(candidates, list) and blocked is None:
            raise BadAnswer("it has no candidates")
        learn(document, answer)
        choices: list[dict[str, Any]] = []
        for candidate in sequence(candidates) or [{}]:
            choices.append(choice_of(mapping(candidate), answer, len(choices)))
            learn_finish(choices[-1]["finish_reason"], answer)
        return write_completion(answer, choices)

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        return GoogleReader(answer, strip_usage=strip_usage)

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        try:
            document = strict_json.loads(body)
        except ValueError:
            return "no reason given", None
        # Streamed calls wrap the error in a list.
        first = document[0] if isinstance(document, list) and document else document
        error = mapping(mapping(first).get("error"))
        return text(error.get("message"))[:MAX_MESSAGE_CHARS] or "no reason given", None

    def build_embeddings_call(
        self, access: ProviderAccess, route: ModelRoute, body: Mapping[str, Any]
    ) -> Call:
        refuse_unknown(access, body, frozenset({"model", "input", "dimensions", "encoding_format"}))
        size = {"outputDimensionality": body["dimensions"]} if body.get("dimensions") is not None else {}
        requests = [
            {"model": f"models/{route.model}", "content": {"parts": [{"text": item}]}, **size}
            for item in texts_of(access, body)
        ]
        return _call(access, route, "batchEmbedContents", {"requests": requests})

    def read_embeddings(self, body: bytes, answer: Answer, *, base64: bool) -> bytes:
        document = strict_json.load_object(body)
        if document is None or not isinstance(document.get("embeddings"), list):
            raise BadAnswer("it has no embeddings")
        learn(document, answer)
        vectors = [mapping(item).get("values") for item in document["embeddings"]]
        return embeddings_document(vectors, answer, base64=base64)


def _call(
    access: ProviderAccess, route: ModelRoute, method: str, body: Mapping[str, Any], *, stream: bool = False
) -> Call:
    headers = json_headers(access, stream=stream)
    if access.api_key is not None:
        headers["x-goog-api-key"] = access.api_key.get_secret_value()
    return Call(url=f"{access.base_url}/models/{route.model}:{method}", headers=headers, body=encode(body))
