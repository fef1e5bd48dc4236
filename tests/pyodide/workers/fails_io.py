"""A fetch at the top level."""

import js

PENDING = js.fetch("http://127.0.0.1:9/")
