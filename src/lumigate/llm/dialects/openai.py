"""OpenAI's words, which are the canonical form: nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.errors import InvalidRequest, LumigateError
from lumigate.llm.canonical import encode
from lumigate.llm.chat import EMBEDDINGS, ChatRequest
from lumigate.llm.vectors import check_input


class OpenAIOutlet:
    """Events go out as they are."""

    __slots__ = ()

    def pass_on(self, events: bytes) -> bytes:
        return events

    def error(self, error: LumigateError, trace_id: str) -> bytes:
        return b"data: " + encode(error.to_body(trace_id)) + b"\n\n"


class OpenAIDialect:
    """Chat completions."""

    def parse(self, body: dict[str, Any], headers: Mapping[str, str]) -> ChatRequest:
        del headers
        return ChatRequest.parse(body)

    def write_answer(self, body: bytes, *, native: bool) -> bytes:
        del native
        return body

    def outlet(self, *, native: bool) -> OpenAIOutlet:
        del native
        return OpenAIOutlet()

    def error_body(self, error: LumigateError, trace_id: str) -> dict[str, Any]:
        return error.to_body(trace_id)


class EmbeddingsDialect(OpenAIDialect):
    """Embeddings: the same way through the gateway, with vectors at the end of it."""

    def parse(self, body: dict[str, Any], headers: Mapping[str, str]) -> ChatRequest:
        model = body.get("model")
        if not isinstance(model, str) or not 0 < len(model) <= 256:
            raise InvalidRequest("must be the name of a model", param="model")
        check_input(body)
        if body.get("encoding_format") not in (None, "float", "base64"):
            raise InvalidRequest("must be float or base64", param="encoding_format")
        dimensions = body.get("dimensions")
        if dimensions is not None and (type(dimensions) is not int or not 0 < dimensions <= 65_536):
            raise InvalidRequest("must be a whole number, at least 1", param="dimensions")
        return ChatRequest(
            model=model,
            stream=False,
            wants_usage=False,
            max_tokens=None,
            temperature=None,
            top_p=None,
            body=body,
            operation=EMBEDDINGS,
        )


OPENAI_DIALECT = OpenAIDialect()
EMBEDDINGS_DIALECT = EmbeddingsDialect()
