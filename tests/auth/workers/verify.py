"""Checks signatures with the Crypto port of Workers, as a test asks for it."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import base64
import json
from typing import Any

from workers import Response, WorkerEntrypoint

from lumigate.platform.workers.crypto import WorkersCrypto


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        crypto, verdicts = WorkersCrypto(), []
        for case in json.loads(await request.text()):
            try:
                key = await crypto.import_key(case["jwk"], case["algorithm"])
            except ValueError:
                verdicts.append("no key")
                continue
            signature, message = (base64.b64decode(case[name]) for name in ("signature", "message"))
            verdicts.append("good" if await crypto.verify(key, signature, message) else "bad")
        return Response(json.dumps(verdicts))
