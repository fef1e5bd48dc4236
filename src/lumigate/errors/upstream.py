"""A provider is at fault: it was silent, out of reach, or its answer is none that can be passed on."""

from __future__ import annotations

from lumigate.errors.root import LumigateError


class UpstreamError(LumigateError):
    """A provider failed us; sending the request again may work."""

    status = 502
    type = "upstream_error"
    code = "upstream_error"


class UpstreamTimeout(UpstreamError):
    """The provider was silent for longer than it may be."""

    status = 504
    code = "upstream_timeout"

    def __init__(self, provider: str, seconds: float) -> None:
        super().__init__(f"{provider} did not answer within {seconds:g} s.")


class UpstreamUnreachable(UpstreamError):
    """No connection, or one that broke."""

    code = "upstream_unreachable"

    def __init__(self, provider: str) -> None:
        super().__init__(f"The connection to {provider} failed.")


class UpstreamBadAnswer(UpstreamError):
    """The provider said that all is well, and what it sent is not what it promises to send."""

    code = "upstream_bad_answer"

    def __init__(self, provider: str, problem: str) -> None:
        super().__init__(f"{provider} sent an answer that cannot be used: {problem}.")


class UpstreamFailed(UpstreamError):
    """The provider said 5xx, or refused *our* credentials, which is not the caller's business."""

    code = "upstream_failed"

    def __init__(self, provider: str, status: int) -> None:
        super().__init__(f"{provider} answered {status}.")
        self.upstream_status = status


class UpstreamRateLimited(UpstreamError):
    """The provider limits us; its own `retry-after` is passed on."""

    status = 429
    type = "rate_limit_error"
    code = "upstream_rate_limited"

    def __init__(self, provider: str, retry_after: str | None) -> None:
        headers = {"retry-after": retry_after} if retry_after else {}
        super().__init__(f"{provider} is limiting our rate.", headers=headers)


class UpstreamRefused(UpstreamError):
    """The provider found the request itself at fault (a 4xx): its message is the caller's to read."""

    type = "invalid_request_error"
    code = "upstream_refused"

    def __init__(self, provider: str, status: int, message: str, param: str | None) -> None:
        super().__init__(f"{provider} refused the request: {message}", param=param)
        self.status = status
