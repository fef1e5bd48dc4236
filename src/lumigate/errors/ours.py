"""We are at fault: the deployment is incomplete, a part of it is silent, or the code has a defect."""

from __future__ import annotations

from lumigate.errors.root import LumigateError


class NotConfigured(LumigateError):
    """The deployment lacks what this route needs."""

    status = 501
    code = "not_configured"

    def __init__(self, setting: str) -> None:
        super().__init__(f"This deployment has no {setting}.")


class AdminStoreUnavailable(LumigateError):
    """An admin route cannot read or write what it is about."""

    status = 503
    code = "admin_store_unavailable"

    def __init__(self) -> None:
        super().__init__("The store does not answer right now.", headers={"retry-after": "5"})


class ShardsUnavailable(LumigateError):
    """No counter shard answered a scrape."""

    status = 503
    code = "shards_unavailable"

    def __init__(self) -> None:
        super().__init__("The counter shards do not answer right now.", headers={"retry-after": "5"})


class ImportFailed(LumigateError):
    """A module that the code asked for is not in the bundle."""

    status = 500
    code = "import_failed"

    def __init__(self, module: str) -> None:
        super().__init__(
            "The deployment is incomplete: a module is missing. Quote the trace id when you report it."
        )
        self.module = module


class InternalError(LumigateError):
    """Our own fault. The message tells nothing; the trace does."""

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side. Quote the trace id when you report it.")
