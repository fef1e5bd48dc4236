"""The measurements behind every figure in the README: `uv run lumigate bench …`."""
