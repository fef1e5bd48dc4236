"""Reading the messages of a canonical request: text, images, files, tool calls.

What no provider could understand raises `InvalidRequest` with the place it stands at, what only OpenAI's would
`UnsupportedByProvider`; nothing the caller wrote is quoted back but a type's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lumigate import strict_json
from lumigate.errors import InvalidRequest, UnsupportedByProvider

type Message = Mapping[str, Any]

INSTRUCTIONS = frozenset({"system", "developer"})
_BESIDE_THE_CONTENT = (
    ("audio", "answers that were spoken"),
    ("function_call", "calls of functions that are no tools"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture, a sound or a document: either `data` (base64) or `url`. `media_type` may be empty for a URL."""

    media_type: str = ""
    data: str = ""
    url: str = ""


def _only_openai(what: str, where: str) -> UnsupportedByProvider:
    """Not the caller's fault as long as one of the candidates is OpenAI's."""
    return UnsupportedByProvider("A provider other than openai", what, param=where)


def parts_of(message: Message, where: str) -> list[Mapping[str, Any]]:
    """A message's content as a list of parts; text alone is one part, no content is none.

    What an earlier answer held beside its content must not be lost: a refusal is a part of it, the rest is refused.
    """
    content = message.get("content")
    for name, what in _BESIDE_THE_CONTENT:
        if message.get(name) is not None:
            raise _only_openai(what, f"{where}.{name}")
    if not content and isinstance(refusal := message.get("refusal"), str) and refusal:
        return [{"type": "refusal", "refusal": refusal}]
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, Sequence):
        raise InvalidRequest("must be text or a list of parts", param=f"{where}.content")
    for index, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise InvalidRequest("has no type", param=f"{where}.content.{index}")
        if part["type"] in ("text", "refusal") and not isinstance(part.get(part["type"]), str):
            raise InvalidRequest("must be text", param=f"{where}.content.{index}.{part['type']}")
    return list(content)


def text_of(message: Message, where: str) -> str:
    """The text of a message whose content may be nothing else."""
    texts = []
    for index, part in enumerate(parts_of(message, where)):
        if part["type"] not in ("text", "refusal"):
            raise InvalidRequest("only text can stand here", param=f"{where}.content.{index}")
        texts.append(part[part["type"]])
    return "".join(texts)


def image_of(part: Mapping[str, Any], where: str) -> Media:
    """The picture of an `image_url` part: a data URL or an http(s) URL."""
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise InvalidRequest("is missing", param=f"{where}.image_url.url")
    return media_of(url, f"{where}.image_url.url")


def media_of(url: str, where: str) -> Media:
    """A data URL (RFC 2397, base64 only) taken apart, or an http(s) URL with the type its name suggests."""
    if url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        media_type, _, encoding = head.partition(";")
        if not comma or encoding.rpartition(";")[2].strip() != "base64" or "/" not in media_type:
            raise InvalidRequest("a data URL must be of the form data:TYPE;base64,DATA", param=where)
        return Media(media_type=media_type.strip().lower(), data=data)
    if not url.startswith(("https://", "http://")):
        raise InvalidRequest("must be an http, https or data URL", param=where)
    try:
        path = urlsplit(url).path
    except ValueError:
        raise InvalidRequest("is not a URL", param=where) from None
    import mimetypes  # only a link without a media type asks for it

    return Media(media_type=mimetypes.types_map.get("." + path.rpartition(".")[2].lower(), ""), url=url)


def file_of(part: Mapping[str, Any], where: str) -> tuple[Media, str]:
    """The document of a `file` part (as data) and its name."""
    file = part.get("file")
    data = file.get("file_data") if isinstance(file, dict) else None
    if isinstance(file, dict) and isinstance(file.get("file_id"), str):
        raise _only_openai("files that lie at the provider", f"{where}.file.file_id")
    if not isinstance(file, dict) or not isinstance(data, str):
        raise InvalidRequest("only files sent as data (file_data) can be passed on", param=f"{where}.file")
    name = file.get("filename")
    return media_of(data, f"{where}.file.file_data"), name if isinstance(name, str) else ""


def audio_of(part: Mapping[str, Any], where: str) -> Media:
    """The sound of an `input_audio` part."""
    audio = part.get("input_audio")
    if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
        raise InvalidRequest("is missing", param=f"{where}.input_audio.data")
    return Media(media_type=f"audio/{audio.get('format', 'wav')}", data=audio["data"])


def tool_calls_of(message: Message, where: str) -> list[Mapping[str, Any]]:
    """The tool calls of an assistant's message, each a function with an id, a name and arguments."""
    calls = message.get("tool_calls")
    if calls is None:
        return []
    if not isinstance(calls, list):
        raise InvalidRequest("must be a list", param=f"{where}.tool_calls")
    for index, call in enumerate(calls):
        if isinstance(call, dict) and call.get("type") == "custom":
            raise _only_openai("calls of custom tools", f"{where}.tool_calls.{index}")
        function = call.get("function") if isinstance(call, dict) else None
        named = isinstance(function, dict) and isinstance(function.get("name"), str)
        if not named or not isinstance(call.get("id"), str):
            problem = "must have an id and a function with a name"
            raise InvalidRequest(problem, param=f"{where}.tool_calls.{index}")
    return calls


def arguments_of(call: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A tool call's arguments as the object they encode; no text at all is an empty one."""
    arguments = call["function"].get("arguments")
    if arguments in (None, ""):
        return {}
    value = (
        strict_json.load_object(arguments.encode("utf-8", "replace")) if isinstance(arguments, str) else None
    )
    if value is None:
        raise InvalidRequest("is not a JSON object in text", param=f"{where}.function.arguments")
    return value


def functions_of(body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The functions a request offers, each with its place in the request."""
    tools = body.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise InvalidRequest("must be a list", param="tools")
    functions: list[tuple[str, Mapping[str, Any]]] = []
    for index, tool in enumerate(tools):
        where = f"tools.{index}"
        if isinstance(tool, dict) and isinstance(kind := tool.get("type"), str) and kind != "function":
            raise _only_openai(f"tools of the type '{kind[:64]}'", where)
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InvalidRequest("must be a function with a name", param=where)
        parameters = function.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            raise InvalidRequest("must be a JSON schema", param=f"{where}.function.parameters")
        functions.append((where, function))
    return functions


def chosen_function(choice: Any) -> str:
    """The name in a `tool_choice` that asks for one function."""
    if isinstance(choice, dict) and choice.get("type") in ("allowed_tools", "custom"):
        raise _only_openai(f"a tool choice of the type '{choice['type']}'", "tool_choice")
    function = choice.get("function") if isinstance(choice, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise InvalidRequest("must be none, auto, required or a function's name", param="tool_choice")
    return str(function["name"])


def stops_of(body: Mapping[str, Any]) -> list[str]:
    """The stop sequences, as a list."""
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop
    if stops is None:
        return []
    if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
        raise InvalidRequest("must be text or a list of texts", param="stop")
    return stops


def schema_of(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """What `response_format` asks for: `text`, `json_object` or `json_schema`, and the schema with its purpose."""
    wanted = body.get("response_format")
    if wanted is None:
        return "text", None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind in ("text", "json_object"):
        return str(kind), None
    described = wanted.get("json_schema") if isinstance(wanted, dict) else None
    schema = described.get("schema") if isinstance(described, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        problem = "must be of type text, json_object or json_schema with a schema"
        raise InvalidRequest(problem, param="response_format")
    purpose = described.get("description") if isinstance(described, dict) else None
    return "json_schema", {"description": purpose, **schema} if isinstance(
        purpose, str
    ) and purpose else schema
