"""What a client may use, and how long it waits before and between attempts. No transport and no
clock in here.

The paper's code asks for ever and without a pause; here attempts are counted and pauses grow.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from asap.errors import RecipeError

FIRST_WAIT_S = 1.0
"""The longest pause before the second attempt; it doubles with each further one."""

LONGEST_WAIT_S = 120.0
"""No pause is longer, whatever a server's `Retry-After` asks for."""


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """What one client may use.

    Raises:
        RecipeError: a value is out of range.
    """

    concurrency: int = 8
    """Requests under way at once, over all threads."""
    attempts: int = 6
    """How often one request is sent at most when the transport or the server fails."""
    timeout_s: float = 600.0
    """Time for one attempt, from sending to the reply's last byte."""
    max_tokens: int | None = 8192
    """The most tokens one reply may have; a request may ask for fewer. None: the server's own."""
    token_limit: int | None = None
    """Prompt and completion tokens of the whole run, after which nothing more is sent. Requests
    under way at that moment still finish, so a run may go over by up to `concurrency` replies.
    """
    requests_per_minute: int | None = None
    """Requests sent, repeats among them, evenly spaced: no minute holds more. None: no limit."""
    tokens_per_minute: int | None = None
    """Prompt and completion tokens, on the average from the first request on; a reply's tokens are
    known when it comes, so a minute may go over by up to `concurrency` replies. None: no limit.
    """

    def __post_init__(self) -> None:
        for name in ("concurrency", "attempts", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name} is {value}: give 1 or more")
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise RecipeError(f"timeout_s is {self.timeout_s}: give a number of seconds above 0")
        if self.token_limit is not None and self.token_limit < 0:
            raise RecipeError(f"token_limit is {self.token_limit}: give 0 or more")
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name} is {value}: give 1 or more, or leave it out")


class Pace:
    """Spaces what is used so that a minute holds no more than its share: each unit takes a stretch
    of time, and who comes next waits until those before are over.

    Nothing is saved up in quiet times, so no burst follows one. Times are seconds of any clock that
    does not go back.

    Args:
        per_minute: units in a minute; None: no limit.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._seconds_per_unit = 60.0 / per_minute if per_minute else 0.0
        self._free_from = -math.inf

    def find_wait_s(self, now: float) -> float:
        """How long to wait, at `now`, before something more is used."""
        return max(0.0, self._free_from - now)

    def take(self, n_units: float, now: float) -> None:
        """Use units; a negative number gives back what was taken too much."""
        if self._seconds_per_unit:
            start = max(self._free_from, now) if n_units > 0 else self._free_from
            self._free_from = start + n_units * self._seconds_per_unit


def find_retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` header asks to wait; None where there is none that can be read.

    Args:
        header: the header's value: a number of seconds, or an HTTP date.
        now: the time in seconds since the epoch, for dates.
    """
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        # "-0000" parses to a date without a zone; HTTP dates are in UTC, all of them.
        return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def choose_wait_s(attempt: int, retry_after_s: float | None, random_source: random.Random) -> float:
    """The pause after a failed attempt.

    Exponential with jitter over its upper half, so that requests that failed together do not come
    back together. A server's own wish is a floor under it, with a tenth of jitter on top.

    Args:
        attempt: the attempt that failed, from 1.
        retry_after_s: what the server asked for, if it did.
        random_source: where the jitter comes from.
    """
    # The exponent is capped so that a great number of attempts cannot overflow the float.
    longest = FIRST_WAIT_S * 2.0 ** min(attempt - 1, 30)
    wait_s = longest * random_source.uniform(0.5, 1.0)
    if retry_after_s is not None:
        wait_s = max(wait_s, retry_after_s * random_source.uniform(1.0, 1.1))
    return min(wait_s, LONGEST_WAIT_S)
