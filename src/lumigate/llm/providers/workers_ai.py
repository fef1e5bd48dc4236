"""Workers AI over REST: Cloudflare's OpenAI-compatible endpoints.

Shapes: https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/ and, for errors,
https://developers.cloudflare.com/api/ (an envelope with `errors`). Without an account there is no address:
`WORKERS_AI_BASE_URL` is `https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/v1`.
"""

from __future__ import annotations

from lumigate import strict_json
from lumigate.llm.provider import MAX_MESSAGE_CHARS, mapping, sequence, text
from lumigate.llm.providers.openai import OpenAIProvider


class WorkersAIProvider(OpenAIProvider):
    """The `Provider` protocol; without state."""

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        errors = sequence(mapping(strict_json.load_object(body)).get("errors"))
        message = text(mapping(errors[0]).get("message")) if errors else ""
        return (message[:MAX_MESSAGE_CHARS], None) if message else super().error_message(body)
