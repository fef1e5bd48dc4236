"""Fakes of the ports, and the two things most tests stand on: a scope of one request and a gateway.

Clock and ids are fixed, so every run records the same. What a fake was asked is kept in plain lists; each can be told
to fail. Spans and metrics are those of the real telemetry engine, seen through `Observed`.
"""

from __future__ import annotations

from tests.fakes.clock import FakeClock, FakeEntropy
from tests.fakes.crypto import (
    FakeCrypto,
    FakeKey,
    base64url,
    fake_jwk,
    fake_signature,
    key_set,
    make_claims,
    make_token,
)
from tests.fakes.fetch import FakeAnswer, FakeFetch, FetchCall, Piece, chunkings, json_answer, stream_answer
from tests.fakes.gateway import (
    CHAT_BODY,
    DONE_EVENT,
    STREAM,
    UPSTREAM_URL,
    USAGE_EVENT,
    WITH_KEY,
    GatewayUnderTest,
    chunk,
    completion,
    error_of,
    event,
    make_gateway,
    whole_body,
)
from tests.fakes.observed import Observed
from tests.fakes.ports import FakePorts, fake_ports
from tests.fakes.scope import FakeRecorder, ScopeUnderTest, make_request, make_scope
from tests.fakes.sessions import FakeSessions, MemoryDatabase
from tests.fakes.settings import (
    API_KEY,
    AUDIENCE,
    ENVIRON,
    ISSUER,
    JWKS_URL,
    NOW_SECONDS,
    PROVIDER_KEY,
    make_settings,
    raised_by,
    settle,
)
from tests.fakes.stores import (
    FakeBackground,
    FakeBlobs,
    FakeConsole,
    FakeDataPoints,
    FakeKeyValue,
    FakePost,
    FakeRateLimit,
    Point,
)

__all__ = [
    "API_KEY",
    "AUDIENCE",
    "CHAT_BODY",
    "DONE_EVENT",
    "ENVIRON",
    "ISSUER",
    "JWKS_URL",
    "NOW_SECONDS",
    "PROVIDER_KEY",
    "STREAM",
    "UPSTREAM_URL",
    "USAGE_EVENT",
    "WITH_KEY",
    "FakeAnswer",
    "FakeBackground",
    "FakeBlobs",
    "FakeClock",
    "FakeConsole",
    "FakeCrypto",
    "FakeDataPoints",
    "FakeEntropy",
    "FakeFetch",
    "FakeKey",
    "FakeKeyValue",
    "FakePorts",
    "FakePost",
    "FakeRateLimit",
    "FakeRecorder",
    "FakeSessions",
    "FetchCall",
    "GatewayUnderTest",
    "MemoryDatabase",
    "Observed",
    "Piece",
    "Point",
    "ScopeUnderTest",
    "base64url",
    "chunk",
    "chunkings",
    "completion",
    "error_of",
    "event",
    "fake_jwk",
    "fake_ports",
    "fake_signature",
    "json_answer",
    "key_set",
    "make_claims",
    "make_gateway",
    "make_request",
    "make_scope",
    "make_settings",
    "make_token",
    "raised_by",
    "settle",
    "stream_answer",
    "whole_body",
]
