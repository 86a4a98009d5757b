"""Try again what has to wait for others, a bounded number of times.

A wait for a lock holds up whoever comes after it, so a short step gives up soon, pauses to let the queue go, and tries
again. A concurrent build is never tried again by itself: its failure leaves an INVALID index to look at first.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import tenacity
from sqlalchemy.engine import Connection
from tenacity import RetryCallState, Retrying

from analyzer.migrate.deploy.driver import QUERY_CANCELED, pause, sqlstate
from analyzer.migrate.deploy.options import Options
from analyzer.migrate.deploy.session import LOG

#: lock_not_available and deadlock_detected: the step left nothing behind.
_AGAIN = frozenset({"55P03", "40P01"})
_FIRST_PAUSE_SECONDS = 0.5
_POLL_SECONDS = 0.25

Answer = TypeVar("Answer")


def until_locked(
    connection: Connection, options: Options, step: Callable[[], None], *, what: str, most_seconds: float
) -> None:
    """Do a step that may be repeated until it gets its locks, with growing pauses; the last failure is raised.

    `most_seconds` is the step's statement_timeout, 0 without one.
    """
    began = 0.0

    def attempt() -> None:
        nonlocal began
        began = time.monotonic()
        step()

    def may_repeat(error: BaseException) -> bool:
        code = sqlstate(error)
        # Before the timeout, it was somebody who wants the step to end.
        timed_out = code == QUERY_CANCELED and 0 < most_seconds <= time.monotonic() - began
        return timed_out or code in _AGAIN

    def tell(state: RetryCallState) -> None:
        pause = state.next_action.sleep if state.next_action is not None else 0
        LOG.warning(
            "%s: no lock in attempt %d of %d; the next one in %.1f s",
            what, state.attempt_number, options.lock_attempts, pause,
        )  # fmt: skip

    Retrying(
        sleep=partial(pause, connection),
        retry=tenacity.retry_if_exception(may_repeat),
        stop=tenacity.stop_after_attempt(options.lock_attempts),
        wait=tenacity.wait_random_exponential(
            multiplier=_FIRST_PAUSE_SECONDS, min=min(_FIRST_PAUSE_SECONDS, options.lock_pause_seconds),
            max=options.lock_pause_seconds,
        ),
        before_sleep=tell,
        reraise=True,
    )(attempt)  # fmt: skip


def poll(
    connection: Connection, ask: Callable[[], Answer], *, done: Callable[[Answer], bool], seconds: float | None
) -> Answer:
    """Ask again and again until the answer is as wanted or the time is up; return the last answer.

    `seconds` is None for no limit.
    """
    stop = tenacity.stop_never if seconds is None else tenacity.stop_after_delay(seconds)
    return Retrying(
        sleep=partial(pause, connection),
        retry=tenacity.retry_if_result(lambda answer: not done(answer)),
        stop=stop,
        wait=tenacity.wait_exponential(multiplier=_POLL_SECONDS, max=2),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome is not None else None,
    )(ask)
