"""A timer at the top level."""

import js

TIMER = js.setTimeout(js.Object, 1000)
