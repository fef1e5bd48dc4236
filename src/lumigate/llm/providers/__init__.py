"""The providers, one file each; a row here is all that registers one."""

from __future__ import annotations

from collections.abc import Mapping

from lumigate.llm.chat import ANTHROPIC
from lumigate.llm.provider import Provider
from lumigate.llm.providers.anthropic import AnthropicProvider
from lumigate.llm.providers.anthropic_native import AnthropicNativeProvider
from lumigate.llm.providers.cohere import CohereProvider
from lumigate.llm.providers.google import GoogleProvider
from lumigate.llm.providers.mistral import MistralProvider
from lumigate.llm.providers.openai import OpenAIProvider
from lumigate.llm.providers.openrouter import OpenRouterProvider
from lumigate.llm.providers.workers_ai import WorkersAIProvider

PROVIDERS: Mapping[str, Provider] = {
    "openai": OpenAIProvider(),
    "anthropic": AnthropicProvider(),
    "google": GoogleProvider(),
    "cohere": CohereProvider(),
    "mistral": MistralProvider(),
    "openrouter": OpenRouterProvider(),
    "workers_ai": WorkersAIProvider(),
}
"""By the API that a provider speaks; those of the operator's choosing speak one of these."""

NATIVE: Mapping[tuple[str, str], Provider] = {("anthropic", ANTHROPIC): AnthropicNativeProvider()}
"""By API and dialect: who answers a request in its own words, untranslated."""

CONVENTIONAL_NAMES: Mapping[str, str] = {"google": "gcp.gemini", "mistral": "mistral_ai"}
"""Where OpenTelemetry's GenAI conventions have another name for a provider (`gen_ai.provider.name`)."""
