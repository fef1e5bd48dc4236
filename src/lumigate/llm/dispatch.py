"""From a request to an answer that has begun: candidates, retries, fallback, hedging, inside one deadline.

- The same candidate is asked again after 429, 408, 5xx and network faults, waiting as `Retry-After` says or else for a
  random part of an exponentially growing time ("full jitter").
- The next candidate is asked when that did not help, and at once after a timeout, a useless answer, a refusal of our
  credentials, or a model that is not there. What the request itself is at fault for is not asked twice.
- A candidate that cannot do what the request asks for is passed over before anything is sent.
- Nothing is asked again once the first events of a stream are there: they go out to the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from lumigate.config import Settings
from lumigate.errors import ClientGone, LumigateError, UnsupportedByProvider, UpstreamError, UpstreamTimeout
from lumigate.ledger.admission import Admission
from lumigate.llm.call import ModelCall
from lumigate.llm.chat import ChatRequest
from lumigate.llm.retries import may_ask_again, may_ask_another, retry_after_seconds
from lumigate.llm.router import Router, Target
from lumigate.scope import Scope

FIRST_BACKOFF_SECONDS = 0.25
LONGEST_PATIENCE_SECONDS = 5.0
"""A `Retry-After` beyond it is passed on to the caller, or to the next candidate, rather than waited for."""
_LEAST_SECONDS = 0.05
"""With less than that left of the deadline no attempt is begun."""

type Attempt[T] = Callable[[ModelCall, float], Awaitable[T]]
"""Makes one attempt within a number of seconds. Raises a `LumigateError` with the call finished."""


@dataclass(slots=True, kw_only=True)
class _Failures:
    """What has gone wrong so far."""

    upstream: LumigateError | None = None
    unsupported: UnsupportedByProvider | None = None

    def verdict(self) -> LumigateError:
        """What the caller is told: the last failure of a provider, else what none of them can do."""
        return self.upstream or self.unsupported or UpstreamTimeout("the gateway", 0)


class Dispatcher:
    """One an isolate."""

    def __init__(self, settings: Settings, router: Router) -> None:
        self._settings = settings
        self._router = router
        self._admission = Admission(settings)

    async def run[T](self, scope: Scope, chat: ChatRequest, attempt: Attempt[T]) -> T:
        """The first attempt that succeeds. Raises what the caller is to be told."""
        targets = self._router.choose(scope, chat)
        await self._admission.admit(scope, chat, targets)
        deadline_ns = scope.clock.now_ns() + int(self._settings.request_deadline_seconds * 1e9)
        failures = _Failures()
        work = _Work(self._settings, self._router, scope, chat, attempt, deadline_ns, failures)
        try:
            if self._settings.hedge_after_ms is not None and len(targets) > 1:
                won = await work.hedge(targets[0], targets[1], self._settings.hedge_after_ms / 1e3)
                if won is not None:
                    return won[0]
                targets = targets[2:]
            for number, target in enumerate(targets):
                won = await work.ask(target, is_last=number == len(targets) - 1)
                if won is not None:
                    return won[0]
            raise failures.verdict()
        finally:
            # An error knows the frames that it passed through: what these still knew of it would hold the request.
            failures.upstream = failures.unsupported = None


class _Work[T]:
    """One request's way through its candidates."""

    def __init__(
        self,
        settings: Settings,
        router: Router,
        scope: Scope,
        chat: ChatRequest,
        attempt: Attempt[T],
        deadline_ns: int,
        failures: _Failures,
    ) -> None:
        self._settings = settings
        self._router = router
        self._scope = scope
        self._chat = chat
        self._attempt = attempt
        self._deadline_ns = deadline_ns
        self._failures = failures
        self._left: Target | None = None

    def _remaining_seconds(self) -> float:
        return (self._deadline_ns - self._scope.clock.now_ns()) / 1e9

    async def ask(self, target: Target, *, is_last: bool, race: _Race | None = None) -> tuple[T] | None:
        """All attempts at one candidate: what came of the one that succeeded, or None for the next to be asked."""
        for attempt in range(self._settings.retry_attempts):
            seconds = min(self._settings.upstream_timeout_seconds, self._remaining_seconds())
            if seconds < _LEAST_SECONDS:
                break
            if self._scope.facts.finished:
                raise ClientGone
            if not attempt and not is_last and race is None and self._is_probed(target):
                return None
            try:
                call = ModelCall(
                    self._scope,
                    target,
                    self._chat,
                    self._router.health,
                    capture=self._settings.capture_content,
                    deadline_ns=self._deadline_ns,
                )
            except UnsupportedByProvider as error:
                self._failures.unsupported = self._failures.unsupported or error
                return None
            if race is not None:
                race.enter(target, call)
                self._scope.open_call = race
            self._note_fallback(target)
            if attempt:
                self._scope.instruments.llm_retries.add(1, target.labels)
            try:
                return (await self._make(call, seconds),)
            except UpstreamError as error:
                self._failures.upstream = error
                if self._scope.facts.finished:  # the client left, and that is why it failed
                    raise ClientGone from None
                if not may_ask_another(error):
                    raise
                if not may_ask_again(error) or attempt + 1 == self._settings.retry_attempts:
                    break
                wait = self._wait_seconds(error, attempt)
                patience = self._remaining_seconds() if is_last else self._remaining_seconds() / 2
                if wait > min(LONGEST_PATIENCE_SECONDS, patience):
                    break
            await self._sleep(wait)
        self._left = target
        return None

    def _is_probed(self, target: Target) -> bool:
        """Whether its provider has begun to fail, or to be probed by another request, since it was chosen."""
        return not self._router.health.breaker(target.route.provider).admits(self._scope.clock.now_ns())

    async def _make(self, call: ModelCall, seconds: float) -> T:
        """One attempt. A whole answer must be there by the deadline; of a stream, its beginning, within `seconds`."""
        if self._chat.stream:
            return await self._attempt(call, seconds)
        try:
            async with self._scope.ports.timeout(self._remaining_seconds()):
                return await self._attempt(call, seconds)
        except TimeoutError:
            raise call.fail(
                UpstreamTimeout(call.target.access.name, self._settings.request_deadline_seconds)
            ) from None

    def _note_fallback(self, target: Target) -> None:
        """Count that one candidate was left for another, and keep the trace that shows it."""
        left, error = self._left, self._failures.upstream
        if left is None or error is None:
            return
        self._left = None
        self._scope.facts.fallbacks += 1
        self._scope.span.keep("fallback")
        reason = {"lumigate.llm.fallback.reason": error.code}
        self._scope.instruments.llm_fallbacks.add(1, left.labels | reason)

    def _wait_seconds(self, error: LumigateError, attempt: int) -> float:
        asked = retry_after_seconds(error.headers.get("retry-after"), self._scope.clock.now_ns())
        if asked is not None:
            return asked
        ceiling = FIRST_BACKOFF_SECONDS * (1 << attempt)
        draw: float = int.from_bytes(self._scope.ports.entropy.random_bytes(4)) / 2**32
        return ceiling * draw

    async def _sleep(self, seconds: float) -> None:
        started_ns = self._scope.clock.now_ns()
        await self._scope.clock.sleep(seconds)
        # Waiting for a provider to recover is waiting for a provider.
        self._scope.facts.upstream_ns += self._scope.clock.now_ns() - started_ns
        self._scope.facts.last_active_ns = self._scope.clock.now_ns()
        if self._scope.facts.finished:
            raise ClientGone

    async def hedge(self, first: Target, second: Target, after_seconds: float) -> tuple[T] | None:
        """Ask the first, and the second as well if the first is slow or fails; drop whoever loses."""
        race = _Race()
        targets = (first, second)
        hedged = False
        winner: Target | None = None
        tasks = [asyncio.ensure_future(self.ask(first, is_last=False, race=race))]
        try:
            with suppress(TimeoutError):
                async with self._scope.ports.timeout(after_seconds):
                    await asyncio.wait(tasks)
            hedged = not tasks[0].done()
            if hedged or (tasks[0].exception() is None and tasks[0].result() is None):
                tasks.append(asyncio.ensure_future(self.ask(second, is_last=False, race=race)))
            pending: Sequence[asyncio.Future[tuple[T] | None]] = tasks
            while pending:
                done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task, target in zip(tasks, targets, strict=False):
                    if task in done and (won := task.result()) is not None:
                        winner = target
                        facts = self._scope.facts
                        facts.provider, facts.model = target.route.provider, target.route.model
                        self._scope.open_call = race.latest(target)
                        return won
                pending = [task for task in pending if task not in done]
            return None
        finally:
            if hedged and not self._scope.facts.finished:
                result = "failed" if winner is None else "won" if winner is second else "lost"
                labels = {**second.labels, "lumigate.llm.hedge.result": result}
                self._scope.instruments.llm_hedges.add(1, labels)
            for task, target in zip(tasks, targets, strict=False):
                if not task.done():
                    task.cancel()
                    await asyncio.wait([task])
                    if (call := race.latest(target)) is not None:
                        call.lose()
                if not task.cancelled():
                    task.exception()  # looked at: of two that fail at once, the event loop would report one as lost


class _Race:
    """The calls of a race, for a client that leaves while it runs."""

    def __init__(self) -> None:
        self._calls: list[tuple[Target, ModelCall]] = []

    def enter(self, target: Target, call: ModelCall) -> None:
        self._calls.append((target, call))

    def latest(self, target: Target) -> ModelCall | None:
        """The call that is being made for a candidate, or was made last."""
        return next((call for entered, call in reversed(self._calls) if entered is target), None)

    def abort(self) -> None:
        for _, call in self._calls:
            call.abort()

    def finish(self, result: str) -> None:
        for _, call in self._calls:
            call.finish(result)
