"""The providers, one file each; a row here is all that registers one."""

from __future__ import annotations

from lumigate.llm.provider import Provider
from lumigate.llm.providers.openai import OpenAIProvider

PROVIDERS: dict[str, Provider] = {"openai": OpenAIProvider()}
