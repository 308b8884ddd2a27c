"""How often a client address, and all who use one key, may call: token buckets, and the answer 429."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from aisle.serve.access import ROLE_IN_SCOPE
from aisle.serve.faults import problem
from aisle.workspace import RateLimits, Rates

#: What is limited, each kind by itself.
KIND_OF_CALL = {("POST", "/v1/recommendations"): "recommendations", ("POST", "/v1/events"): "events"}
#: So many callers are remembered; beyond that the one that was heard of least recently is forgotten.
MAX_CALLERS = 50_000


class TokenBuckets:
    """A bucket of tokens per caller: each call takes one, and they come back at a rate.

    A bucket that is full again says nothing and is forgotten, so memory holds those who called of late, and at most
    ``max_callers`` of them.

    Args:
        rate: Tokens per second.
        burst: What a full bucket holds.
        clock: Seconds.
        max_callers: See above.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_callers: int = MAX_CALLERS,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._max_callers = max_callers
        #: Tokens, and when they were counted; who called last stands last.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._buckets)

    def take(self, caller: str) -> float:
        """Take a token; gives 0, or where there is none the seconds until there is one."""
        now = self._clock()
        self._forget(now)
        tokens, then = self._buckets.pop(caller, (float(self._burst), now))
        tokens = min(tokens + (now - then) * self._rate, self._burst)
        is_allowed = tokens >= 1
        self._buckets[caller] = (tokens - 1 if is_allowed else tokens, now)
        return 0.0 if is_allowed else (1 - tokens) / self._rate

    def _forget(self, now: float) -> None:
        seconds_to_fill = self._burst / self._rate
        while self._buckets:
            caller, (_, then) = next(iter(self._buckets.items()))
            if now - then < seconds_to_fill and len(self._buckets) < self._max_callers:
                return
            del self._buckets[caller]


class RateLimit:
    """ASGI middleware that answers 429 with Retry-After to who calls too often; it stands behind the check of keys.

    Each worker process counts its own share of the calls.

    Args:
        app: What is called.
        limits: The settings.
        on_limited: Told the kind of call, and whether the ``address`` or the ``key`` called too often.
    """

    def __init__(self, app: ASGIApp, *, limits: RateLimits, on_limited: Callable[[str, str], None]) -> None:
        self._app = app
        self._on_limited = on_limited
        self._by_address = _buckets(limits)
        self._by_key = _buckets(limits.per_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through, or answer 429."""
        kind = KIND_OF_CALL.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if kind is not None:
            wait, by = self._wait(kind, scope)
            if wait > 0:
                self._on_limited(kind, by)
                seconds = math.ceil(wait)
                detail = f"too many calls for {kind} by this {by}; call again in {seconds} s, or send more in one call"
                await problem(429, detail, {"retry-after": str(seconds)})(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _wait(self, kind: str, scope: Scope) -> tuple[float, str]:
        """The address is asked first: one that calls too often does not use up what others have by the same key."""
        if kind in self._by_address and (wait := self._by_address[kind].take(caller_of(scope))) > 0:
            return wait, "address"
        role = scope.get(ROLE_IN_SCOPE)
        if role is not None and kind in self._by_key:
            return self._by_key[kind].take(role), "key"
        return 0.0, ""


def caller_of(scope: Scope) -> str:
    """The client's address; of IPv6 the network (/64) that one customer has to choose addresses from."""
    host = str((scope.get("client") or ("unknown", 0))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))


def _buckets(rates: Rates) -> dict[str, TokenBuckets]:
    wanted = {"recommendations": rates.recommendations_per_second, "events": rates.events_per_second}
    return {kind: TokenBuckets(rate, rates.burst) for kind, rate in wanted.items() if rate is not None}
