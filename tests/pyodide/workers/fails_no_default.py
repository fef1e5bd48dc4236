"""No entrypoint."""
