"""A request in canonical form as Gemini's generateContent takes it.

Shapes: https://ai.google.dev/api/generate-content, …/api/caching#Content, …/gemini-api/docs/function-calling,
…/docs/thinking, …/docs/structured-output, …/docs/thought-signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import InvalidRequest, UnsupportedByProvider
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
from lumigate.llm.provider import USUAL, mapping, refuse_unknown, sequence, text
from lumigate.llm.providers.google_answers import MADE_UP_ID

_NO_SIGNATURE = "skip_thought_signature_validator"
"""What stands for the signature of a thought where there is none: https://ai.google.dev/gemini-api/docs/thought-signatures"""
# The budgets of Google's own OpenAI-compatible API; from Gemini 3 on the levels are taken as they are.
_THINKING_TOKENS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_KNOWN = USUAL | {"top_k", "n", "seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"}


def generate_request(access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> dict[str, Any]:
    """The body. Raises `UnsupportedByProvider`, and `InvalidRequest` for what nobody could do."""
    body = chat.body
    refuse_unknown(access, body, _KNOWN)
    system, contents = _contents(access, route.model, body["messages"])
    request: dict[str, Any] = {"contents": contents, "generationConfig": _generation(access, route, chat)}
    if system:
        request["systemInstruction"] = {"parts": system}
    return request | _tools(body)


def _contents(
    access: ProviderAccess, model: str, messages: list[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The system instruction's parts, and the rest as turns: neighbours of one role become one."""
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for index, message in _by_call(messages):
        where, role = f"messages.{index}", message["role"]
        if role in INSTRUCTIONS:
            if words := text_of(message, where):
                system.append({"text": words})
            continue
        if role == "function":
            raise UnsupportedByProvider(access.name, "messages of the role 'function'", param=f"{where}.role")
        if message.get("name") is not None and role != "tool":
            raise UnsupportedByProvider(access.name, "names of participants", param=f"{where}.name")
        if role == "tool":
            parts = [_tool_result(message, names, where)]
        else:
            parts = [
                _part(access, part, f"{where}.content.{i}")
                for i, part in enumerate(parts_of(message, where))
                if part["type"] != "text" or part["text"]  # an empty part is an error there
            ]
            parts += _tool_calls(message, names, where, unsigned=_is_older(model))
        speaker = "model" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": speaker, "parts": parts})
    if not turns:
        raise InvalidRequest(f"{access.name} needs a message that is not the system's", param="messages")
    return system, turns


def _by_call(messages: list[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """Messages by their numbers, the results of tools in the order of their calls.

    Results of one function are told apart by their order, where the calls came without ids.
    """
    order: dict[Any, int] = {}
    for message in messages:
        for call in map(mapping, sequence(message.get("tool_calls"))):
            order[text(call.get("id"))] = len(order)
    sorted_: list[tuple[int, Mapping[str, Any]]] = []
    for is_result, run in groupby(enumerate(messages), key=lambda item: item[1]["role"] == "tool"):
        if is_result:
            sorted_ += sorted(run, key=lambda item: order.get(text(item[1].get("tool_call_id")), 0))
        else:
            sorted_ += run
    return sorted_


def _own_id(identity: str) -> dict[str, str]:
    """The id of a call, if it may be theirs: they want it back, beside the call and the result."""
    return {} if identity.startswith(MADE_UP_ID) else {"id": identity}


def _tool_calls(
    message: Mapping[str, Any], names: dict[str, str], where: str, *, unsigned: bool
) -> list[dict[str, Any]]:
    """The calls of a turn. Unless they may be `unsigned`, the first needs a thought's signature.

    None comes with calls of another model's, nor through Anthropic's door, where it has no place.
    """
    parts: list[dict[str, Any]] = []
    for index, call in enumerate(tool_calls_of(message, where)):
        name = names[call["id"]] = call["function"]["name"]
        arguments = arguments_of(call, f"{where}.tool_calls.{index}")
        part: dict[str, Any] = {"functionCall": {**_own_id(call["id"]), "name": name, "args": arguments}}
        signature = mapping(mapping(call.get("extra_content")).get("google")).get("thought_signature")
        if isinstance(signature, str):
            part["thoughtSignature"] = signature
        elif not parts and not unsigned:
            part["thoughtSignature"] = _NO_SIGNATURE
        parts.append(part)
    return parts


def _tool_result(message: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    identity = text(message.get("tool_call_id"))
    name = names.get(identity)
    if name is None:
        raise InvalidRequest("names no tool call before it", param=f"{where}.tool_call_id")
    result = text_of(message, where)
    # The API wants an object; anything else is put into one.
    response = strict_json.load_object(result.encode("utf-8", "replace"))
    answered = {"result": result} if response is None else response
    return {"functionResponse": {**_own_id(identity), "name": name, "response": answered}}


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


def _is_older(model: str) -> bool:
    """Whether it takes budgets for thoughts, and calls without their signatures, as all did before Gemini 3."""
    return model.startswith(("gemini-1", "gemini-2"))


def _thinking(model: str, effort: Any) -> dict[str, Any] | None:
    if effort is None:
        return None
    if not isinstance(effort, str) or effort not in _THINKING_TOKENS:
        raise InvalidRequest(f"must be one of {', '.join(_THINKING_TOKENS)}", param="reasoning_effort")
    if not _is_older(model):
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
