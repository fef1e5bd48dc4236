"""Everything that can go wrong, split by whose fault it is: the caller's, an upstream's, or ours.

A class carries its HTTP status, OpenAI's error `type` and a stable `code`, which is also its telemetry code: low in
cardinality, never built from input. Messages are built from arguments and never contain a secret. The wire shape is
OpenAI's (https://platform.openai.com/docs/guides/error-codes), with the trace id added.

One module a fault domain: `request`, `access` and `limits` are mostly the caller's, `upstream` a provider's, `ours` our
own. This one is their face, and the only one that others import.
"""

from __future__ import annotations

from lumigate.errors.access import (
    CredentialStoreUnavailable,
    KeysUnavailable,
    MissingScope,
    Unauthenticated,
    UnknownApiKeyId,
)
from lumigate.errors.limits import (
    BudgetExceeded,
    CostCeilingExceeded,
    LimitsUnavailable,
    NoRoomForBody,
    RateLimited,
    TokensLimited,
)
from lumigate.errors.ours import (
    AdminStoreUnavailable,
    ImportFailed,
    InternalError,
    NotConfigured,
    ShardsUnavailable,
)
from lumigate.errors.request import (
    BodyTooLarge,
    ClientGone,
    GeoDenied,
    InvalidJson,
    InvalidRequest,
    MethodNotAllowed,
    PersonalDataRefused,
    UnknownModel,
    UnknownRoute,
    UnsupportedByProvider,
    UnsupportedMediaType,
)
from lumigate.errors.root import CallerError, LumigateError
from lumigate.errors.upstream import (
    UpstreamBadAnswer,
    UpstreamError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from lumigate.telemetry import ConfigurationError

__all__ = [
    "AdminStoreUnavailable",
    "BodyTooLarge",
    "BudgetExceeded",
    "CallerError",
    "ClientGone",
    "ConfigurationError",
    "CostCeilingExceeded",
    "CredentialStoreUnavailable",
    "GeoDenied",
    "ImportFailed",
    "InternalError",
    "InvalidJson",
    "InvalidRequest",
    "KeysUnavailable",
    "LimitsUnavailable",
    "LumigateError",
    "MethodNotAllowed",
    "MissingScope",
    "NoRoomForBody",
    "NotConfigured",
    "PersonalDataRefused",
    "RateLimited",
    "ShardsUnavailable",
    "TokensLimited",
    "Unauthenticated",
    "UnknownApiKeyId",
    "UnknownModel",
    "UnknownRoute",
    "UnsupportedByProvider",
    "UnsupportedMediaType",
    "UpstreamBadAnswer",
    "UpstreamError",
    "UpstreamFailed",
    "UpstreamRateLimited",
    "UpstreamRefused",
    "UpstreamTimeout",
    "UpstreamUnreachable",
]
