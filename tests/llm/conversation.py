"""One request that asks for most of what can be asked for, to be translated for each provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PNG = "data:image/png;base64,iVBORw0KGgo="
MESSAGES: list[Mapping[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "developer", "content": [{"type": "text", "text": "Use metric units."}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "How is the weather there?"},
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://pictures.example/cologne.jpg"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Köln"}'},
            },
            {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": '{"celsius":21}'},
    {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
    {"role": "user", "content": "Go on."},
]
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
TOOLS: list[Mapping[str, Any]] = [
    {"type": "function", "function": {"name": "get_weather", "description": "Now.", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "get_time"}},
]
JSON_SCHEMA: Mapping[str, Any] = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}


def choose(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}
