"""Google's Gemini API: generateContent and streamGenerateContent.

Shapes: https://ai.google.dev/api/generate-content, …/api/caching#Content, …/gemini-api/docs/function-calling,
…/docs/thinking, …/docs/structured-output, …/docs/thought-signatures, …/api/embeddings. A stream has no closing mark:
it ends when the connection does. The signature of a thought travels on its tool call as
`extra_content.google.thought_signature`, as in Google's own OpenAI-compatible API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import InvalidRequest, UnsupportedByProvider
from lumigate.llm.canonical import encode, write_completion
from lumigate.llm.chat import ChatRequest
from lumigate.llm.parts import (
    INSTRUCTIONS,
    Media,
    arguments_of,
    audio_of,
    chosen_function,
    file_of,
    functions_of,
    image_of,
    parts_of,
    schema_of,
    stops_of,
    text_of,
    tool_calls_of,
)
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
from lumigate.llm.providers.openai import json_headers
from lumigate.llm.vectors import embeddings_document, texts_of

# The budgets of Google's own OpenAI-compatible API; from Gemini 3 on the levels are taken as they are.
_THINKING_TOKENS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_KNOWN = frozenset(
    {
        *(
            "model",
            "messages",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "top_k",
            "n",
            "stop",
        ),
        *("seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "stream", "tools"),
        *("tool_choice", "response_format", "reasoning_effort"),
    }
)


class GoogleProvider:
    """The `Provider` protocol; without state."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        body = chat.body
        refuse_unknown(access, body, _KNOWN)
        system, contents = _contents(access, body["messages"])
        request: dict[str, Any] = {"contents": contents, "generationConfig": _generation(access, route, chat)}
        if system:
            request["systemInstruction"] = {"parts": system}
        request |= _tools(body)
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


def _contents(
    access: ProviderAccess, messages: list[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The system instruction's parts, and the rest as turns: neighbours of one role become one."""
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for index, message in enumerate(messages):
        where, role = f"messages.{index}", message["role"]
        if role in INSTRUCTIONS:
            system.append({"text": text_of(message, where)})
            continue
        if role == "function":
            raise UnsupportedByProvider(access.name, "messages of the role 'function'", param=f"{where}.role")
        if message.get("name") is not None and role != "tool":
            raise UnsupportedByProvider(access.name, "names of participants", param=f"{where}.name")
        if role == "tool":
            parts = [_tool_result(message, names, where)]
        else:
            parts = [
                _part(access, part, f"{where}.content.{i}") for i, part in enumerate(parts_of(message, where))
            ]
            parts += _tool_calls(message, names, where)
        speaker = "model" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": speaker, "parts": parts})
    if not turns:
        raise InvalidRequest(f"{access.name} needs a message that is not the system's", param="messages")
    return system, turns


def _tool_calls(message: Mapping[str, Any], names: dict[str, str], where: str) -> list[dict[str, Any]]:
    parts = []
    for index, call in enumerate(tool_calls_of(message, where)):
        name = names[call["id"]] = call["function"]["name"]
        arguments = arguments_of(call, f"{where}.tool_calls.{index}")
        part: dict[str, Any] = {"functionCall": {"name": name, "args": arguments}}
        signature = mapping(mapping(call.get("extra_content")).get("google")).get("thought_signature")
        if isinstance(signature, str):
            part["thoughtSignature"] = signature
        parts.append(part)
    return parts


def _tool_result(message: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    name = names.get(str(message.get("tool_call_id")))
    if name is None:
        raise InvalidRequest("names no tool call before it", param=f"{where}.tool_call_id")
    result = text_of(message, where)
    # The API wants an object; anything else is put into one.
    response = strict_json.load_object(result.encode("utf-8", "replace"))
    return {
        "functionResponse": {"name": name, "response": {"result": result} if response is None else response}
    }


def _part(access: ProviderAccess, part: Mapping[str, Any], where: str) -> dict[str, Any]:
    match part["type"]:
        case "text" | "refusal":
            return {"text": part[part["type"]]}
        case "image_url":
            return _media(access, image_of(part, where), where)
        case "input_audio":
            return _media(access, audio_of(part, where), where)
        case "file":
            return _media(access, file_of(part, where)[0], where)
        case kind:
            raise UnsupportedByProvider(access.name, f"content of the type '{kind[:64]}'", param=where)


def _media(access: ProviderAccess, media: Media, where: str) -> dict[str, Any]:
    if not media.url:
        return {"inlineData": {"mimeType": media.media_type, "data": media.data}}
    if not media.media_type:
        what = "a URL whose name does not say what it is (send it as data, or with a suffix like .png)"
        raise UnsupportedByProvider(access.name, what, param=where)
    return {"fileData": {"mimeType": media.media_type, "fileUri": media.url}}


def _generation(access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> dict[str, Any]:
    body = chat.body
    kind, schema = schema_of(body)
    values = {
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "topK": body.get("top_k"),
        "maxOutputTokens": chat.max_tokens,
        "candidateCount": body.get("n"),
        "stopSequences": stops_of(body) or None,
        "seed": body.get("seed"),
        "presencePenalty": body.get("presence_penalty"),
        "frequencyPenalty": body.get("frequency_penalty"),
        "responseLogprobs": body.get("logprobs") or None,
        "logprobs": body.get("top_logprobs") or None,
        "responseMimeType": "application/json" if kind != "text" else None,
        "responseJsonSchema": schema,
        "thinkingConfig": _thinking(route.model, body.get("reasoning_effort")),
    }
    return {name: value for name, value in values.items() if value is not None}


def _thinking(model: str, effort: Any) -> dict[str, Any] | None:
    if effort is None:
        return None
    if not isinstance(effort, str) or effort not in _THINKING_TOKENS:
        raise InvalidRequest(f"must be one of {', '.join(_THINKING_TOKENS)}", param="reasoning_effort")
    if not model.startswith(("gemini-1", "gemini-2")):
        return {
            "thinkingLevel": "minimal" if effort == "none" else effort,
            "includeThoughts": effort != "none",
        }
    return {"thinkingBudget": _THINKING_TOKENS[effort], "includeThoughts": effort != "none"}


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    declarations = []
    strict = False
    for _, function in functions_of(body):
        declaration = {"name": function["name"]}
        if isinstance(function.get("description"), str):
            declaration["description"] = function["description"]
        if function.get("parameters"):
            declaration["parametersJsonSchema"] = function["parameters"]
        strict = strict or function.get("strict") is True
        declarations.append(declaration)
    if not declarations:
        return {}
    choice = body.get("tool_choice")
    config: dict[str, Any]
    if choice in (None, "auto"):
        config = {"mode": "VALIDATED" if strict else "AUTO"}
    elif choice in ("none", "required"):
        config = {"mode": {"none": "NONE", "required": "ANY"}[choice]}
    else:
        config = {"mode": "ANY", "allowedFunctionNames": [chosen_function(choice)]}
    return {
        "tools": [{"functionDeclarations": declarations}],
        "toolConfig": {"functionCallingConfig": config},
    }
