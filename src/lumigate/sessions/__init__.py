"""Coding sessions: a conversation and the versions of its code, in order, sealed, and gone when idle.

The rules, each in one place:
- an id is 256 random bits and says nothing; storage and telemetry know only digests of it (`ids`);
- one object a session holds sealed parts and the order of turns, and never waits for a model (`service`, `turnstile`);
- the gateway's request opens, asks, seals and commits (`lumigate.api.session_messages`).
"""
