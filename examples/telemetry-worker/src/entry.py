"""A plain Worker that can be seen through: spans, metrics and logs of the telemetry engine, without the gateway."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from workers import Response, WorkerEntrypoint

from lumigate.platform.workers.telemetry import WorkerTelemetry
from lumigate.telemetry import Attribute, InstrumentKind, Metric

GREETINGS = Metric(
    name="example.greetings",
    unit="{greeting}",
    kind=InstrumentKind.COUNTER,
    description="Greetings said, by language.",
    attributes=(
        Attribute(key="language", description="Of the greeting.", values=frozenset({"en", "de", "fr"})),
    ),
)
WORDS = {"en": "Hello", "de": "Guten Tag", "fr": "Bonjour"}

telemetry = WorkerTelemetry(name="example.greeter", metrics=[GREETINGS])


class Default(WorkerEntrypoint):
    """Greets in the language of the query (`/?language=fr`)."""

    @telemetry.handler
    async def fetch(self, request: Any) -> Any:
        language = parse_qs(urlsplit(request.url).query).get("language", ["en"])[0]
        with telemetry.tracer.start_as_current_span("choose words") as span:
            span.set_attribute("example.language", language)
            word = WORDS.get(language)
        telemetry.metric(GREETINGS).add(1, {"language": language})
        if word is None:
            telemetry.log("language_unknown", f"No words in {language!r}")
            return Response("No words in that language.\n", status=404)
        telemetry.log("greeted", word, attributes={"example.language": language})
        return Response(f"{word}!\n")
