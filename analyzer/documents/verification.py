"""The part of a report that compares two measured windows."""

import math
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, computed_field

from analyzer.documents.record import Record, ratio

#: A statement that became slower by more than this share is a regression and is named.
REGRESSION_SHARE = 0.2
#: A measured gain that differs from the predicted one by more than this factor is flagged.
DEVIATION_RATIO = 2.0
#: A difference of means counts from this many of its standard errors (about 95 %).
_ERRORS = 2.0


class VerifiedStatement(Record):
    """A statement measured before and after."""

    id: str
    queryid: str | None
    query: str
    #: Before; the totals weigh by it.
    calls: int
    calls_after: int | None = None
    mean_ms_before: float
    mean_ms_after: float
    #: Of one execution's time; None when the measurement does not say.
    stddev_ms_before: float | None = None
    stddev_ms_after: float | None = None
    predicted_ratio: float | None = None
    #: Why the measured ratio is far from the predicted one, as far as that can be known; None when it is not far.
    deviation: str | None = None

    @computed_field
    @property
    def ratio(self) -> float | None:
        """Return how many times faster it became; below 1 it became slower."""
        return ratio(self.mean_ms_before, self.mean_ms_after)

    @computed_field
    @property
    def noise_ms(self) -> float | None:
        """Return two standard errors of the difference of the means; None when nothing says how the times spread.

        A window of a single call has no spread to speak of: then nothing rises above the noise, and it is None as well.
        """
        spreads = ((self.stddev_ms_before, self.calls), (self.stddev_ms_after, self.calls_after))
        squares = [s**2 / (n - 1) for s, n in spreads if s is not None and n is not None and n > 1]
        return _ERRORS * math.sqrt(sum(squares)) if len(squares) == len(spreads) else None

    @computed_field
    @property
    def slower(self) -> bool:
        """Say whether its mean became slower by more than a fifth, be it by chance."""
        return self.mean_ms_after > self.mean_ms_before * (1 + REGRESSION_SHARE)

    @computed_field
    @property
    def regressed(self) -> bool:
        """Say whether it became slower by more than a fifth and by more than the noise."""
        if not self.slower or (self.calls_after is not None and min(self.calls, self.calls_after) < 2):
            return False
        return self.noise_ms is None or self.mean_ms_after - self.mean_ms_before > self.noise_ms

    @property
    def deviates(self) -> bool:
        """Say whether measured and predicted ratio differ by more than a factor of two."""
        return differ(self.ratio, self.predicted_ratio)


def differ(measured: float | None, predicted: float | None) -> bool:
    """Say whether a measured and a predicted ratio differ by more than a factor of two."""
    if not measured or not predicted:
        return False
    return max(measured / predicted, predicted / measured) > DEVIATION_RATIO


def _by_size(statements: tuple[VerifiedStatement, ...]) -> tuple[VerifiedStatement, ...]:
    return tuple(sorted(statements, key=lambda s: (-s.mean_ms_before * s.calls, s.id)))


class Verification(Record):
    """The workload measured before and after; totals count each statement as often as it was called."""

    #: How it was measured, in a clause.
    basis: str
    statements: Annotated[tuple[VerifiedStatement, ...], AfterValidator(_by_size)]
    #: Quoted, qualified names of the indexes that came and went between the two.
    indexes_added: tuple[str, ...] = ()
    indexes_dropped: tuple[str, ...] = ()

    @computed_field
    @property
    def total_ms_before(self) -> float:
        """Return the time of the whole workload before."""
        return sum(statement.mean_ms_before * statement.calls for statement in self.statements)

    @computed_field
    @property
    def total_ms_after(self) -> float:
        """Return the time of the whole workload after."""
        return sum(statement.mean_ms_after * statement.calls for statement in self.statements)

    @computed_field
    @property
    def speed_up(self) -> float | None:
        """Return how many times faster the whole workload became."""
        return ratio(self.total_ms_before, self.total_ms_after)

    @computed_field
    @property
    def regressions(self) -> tuple[str, ...]:
        """Name the statements that became slower by more than a fifth and the noise, the worst first."""
        return _worst_first(statement for statement in self.statements if statement.regressed)

    @computed_field
    @property
    def within_noise(self) -> tuple[str, ...]:
        """Name the statements that were more than a fifth slower, but not by more than the noise, the worst first."""
        return _worst_first(s for s in self.statements if s.slower and not s.regressed)


def _worst_first(statements: Iterable[VerifiedStatement]) -> tuple[str, ...]:
    ranked = sorted(statements, key=lambda s: (-(s.mean_ms_after - s.mean_ms_before) * s.calls, s.id))
    return tuple(statement.id for statement in ranked)
