"""Adapters over Cloudflare's bindings, `fetch` and WebCrypto: the only modules that import `js`, `pyodide`, `workers`.

Rules of this folder, each from what the runtime really does: headers are read once; every proxy made is destroyed; an
object that does I/O is used only by the request that got it; nothing awaits what another request will complete;
nothing is handed to JavaScript that it cannot hold. No code generation from strings: the runtime forbids it, so there
is no JavaScript in here.
"""

import os

# There are no time zones on disk: `zoneinfo`, which pydantic imports, need not load the build settings to find them.
os.environ.setdefault("PYTHONTZPATH", "")
