"""What answers in place of the application when a module is missing from the bundle.

`lumigate bundle` refuses such a bundle before it is deployed; this is for the one that was deployed all the same. It
needs next to nothing, so that it works when most else does not: every request gets a 500 in the usual error shape and
leaves a wide event, and the counter `lumigate.worker.import_failures` goes up, if the telemetry engine can be imported.
"""

from __future__ import annotations

import json
import os
from typing import Any

import js
from workers import Response as WorkersResponse

# As in `lumigate.http.security`, which may be what is missing.
_HEADERS = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class BrokenIsolate:
    """The same functions as `lumigate.platform.workers.isolate`, for an isolate that cannot serve."""

    def __init__(self, error: ImportError) -> None:
        self.module = error.name or str(error)
        self._telemetry: Any = None

    async def serve(self, raw: Any, env: Any, ctx: Any) -> Any:
        trace_id = await self._report(env, ctx)
        body = {
            "error": {
                "message": "The deployment is incomplete: a module is missing. Quote the trace id when you report it.",
                "type": "server_error",
                "param": None,
                "code": "import_failed",
                "trace_id": trace_id,
            }
        }
        return WorkersResponse(json.dumps(body), status=500, headers=_HEADERS)

    async def run_cron(self, cron: str, env: Any, ctx: Any) -> None:
        await self._report(env, ctx)

    def _raise(self, _ctx: Any) -> Any:
        raise ImportError(f"a module is missing: {self.module}", name=self.module)

    open_shard = open_ledger = open_session = open_session_index = _raise

    async def _report(self, env: Any, ctx: Any) -> str:
        trace_id = os.urandom(16).hex()
        event = {"event": "import_failure", "level": "error", "trace_id": trace_id, "module": self.module}
        js.console.log(json.dumps(event))
        try:
            await self._count(env, ctx)
        except Exception as error:  # whatever is missing, the answer and the event above must go out
            js.console.error(
                json.dumps({"event": "import_failure", "level": "error", "message": repr(error)})
            )
        return trace_id

    async def _count(self, env: Any, ctx: Any) -> None:
        from lumigate import catalog
        from lumigate.platform.workers.environ import of_telemetry, read_settings
        from lumigate.platform.workers.ports import CLOCK, ENTROPY, WorkersPorts
        from lumigate.telemetry import Host, Telemetry, TelemetryConfig

        if self._telemetry is None:
            settings = {name: str(value) for name, value in (await read_settings(of_telemetry)).items()}
            self._telemetry = Telemetry(
                TelemetryConfig.from_environ(settings),
                clock=CLOCK,
                entropy=ENTROPY,
                metrics=(catalog.IMPORT_FAILURES,),
                resource={},
            )
        ports = WorkersPorts(env, ctx)
        self._telemetry.instrument(catalog.IMPORT_FAILURES).add(1, {"lumigate.module": self.module})
        self._telemetry.after_request(Host(post=ports.post, background=ports.background))
