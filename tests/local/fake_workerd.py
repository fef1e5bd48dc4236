"""Stands in for `wrangler dev` in another process: says what it says, and serves /health where it says it is ready.

FAKE_WORKERD is `ready`, `pyodide` (as wrangler 4.155 ends without its runtime bundle), or `dies`.
"""

# ruff: noqa: T201 (it prints, as wrangler does)
from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from local.dev_vars import parse_dev_vars


def main(arguments: list[str]) -> int:
    print(
        "⛅️ wrangler 4.155.0\n\x1b[1mAttaching additional modules:\x1b[0m\n│ lumigate/cli.py │ python │\n│"
        + "─" * 200_000  # longer than any line that a reader would take whole
    )
    if os.environ["FAKE_WORKERD"] == "dies":
        print("a reason of its own")
        return 7
    if os.environ["FAKE_WORKERD"] == "pyodide":
        print(
            "\x1b[31m✘ \x1b[41;31m[\x1b[41;97mERROR\x1b[41;31m]\x1b[0m *** Uncaught exception ***\n"
            "  rust/cxx/kj-rs-io/ffi.rs:188: failed: getaddrinfo(): DNS lookup failed."
            " host = pyodide-capnp-bin.edgeworker.net; service = (none)",
            flush=True,
        )
        sys.stdin.read()
        return 1
    file = Path(arguments[arguments.index("--env-file") + 1])
    settings = parse_dev_vars(file.read_text("utf-8"))
    told = {"settings": settings, "arguments": arguments, "mode": oct(file.stat().st_mode & 0o777)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            pass

    port = int(arguments[arguments.index("--port") + 1])
    server = HTTPServer(("127.0.0.1", port), Handler)
    print(f"\x1b[2m[wrangler:info]\x1b[0m Ready on http://127.0.0.1:{port}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
