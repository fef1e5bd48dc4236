"""The request itself is at fault: how it is formed, where it goes, what it asks for, what it holds."""

from __future__ import annotations

from lumigate.errors.root import CallerError


class InvalidJson(CallerError):
    """The body cannot be read at all."""

    code = "invalid_json"

    def __init__(self, detail: str) -> None:
        super().__init__(f"The request body is not valid JSON: {detail}")


class InvalidRequest(CallerError):
    """The body can be read, and a field of it does not hold. The message begins with its name."""

    code = "invalid_request"

    def __init__(self, problem: str, param: str | None = None) -> None:
        super().__init__(f"{param}: {problem}" if param else problem, param=param)


class BodyTooLarge(CallerError):
    """The body has more bytes than this route reads."""

    status = 413
    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The request body is larger than {limit_bytes} bytes.")


class UnsupportedMediaType(CallerError):
    """The body says that it is something else than JSON."""

    status = 415
    code = "unsupported_media_type"

    def __init__(self) -> None:
        super().__init__("The request body must be sent as application/json.")


class UnknownRoute(CallerError):
    """No route has this path."""

    status = 404
    code = "unknown_route"

    def __init__(self) -> None:
        super().__init__("There is no such route. See GET /v1/models and POST /v1/chat/completions.")


class MethodNotAllowed(CallerError):
    """The path is a route's, and not for this method: `allow` names those that it has (RFC 9110, 15.5.6)."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        names = ", ".join(allowed)
        super().__init__(f"This route answers to {names} only.", headers={"allow": names})


class UnknownModel(CallerError):
    """The routing table has no such model. The names closest to it are told."""

    status = 404
    code = "model_not_found"

    def __init__(self, model: str, closest: tuple[str, ...]) -> None:
        hint = f" Did you mean {' or '.join(closest)}?" if closest else " GET /v1/models lists what there is."
        super().__init__(f"The model '{model[:100]}' does not exist here.{hint}", param="model")


class UnsupportedByProvider(CallerError):
    """The request asks a provider for what it cannot do; another behind the same name might."""

    code = "unsupported_by_provider"

    def __init__(self, provider: str, what: str, param: str | None = None) -> None:
        super().__init__(f"{provider} cannot do this: {what}.", param=param)
        self.provider = provider


class GeoDenied(CallerError):
    """The geographic policy leaves nobody who may answer this caller."""

    status = 403
    type = "permission_error"
    code = "geo_denied"

    def __init__(self, country: str) -> None:
        where = f"from {country[:2]}" if country else "whose country is not known"
        super().__init__(f"The geographic policy allows no answer to a caller {where}.")


class PersonalDataRefused(CallerError):
    """The deployment's policy lets no personal data out. The message names kinds, never values."""

    code = "personal_data"

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__(
            f"The request holds personal data ({', '.join(kinds)}), which may not be sent on from here."
        )


class ClientGone(CallerError):
    """The client hung up before an answer; nobody reads this one (nginx's 499)."""

    status = 499
    code = "client_abort"

    def __init__(self) -> None:
        super().__init__("The client closed the connection.")
