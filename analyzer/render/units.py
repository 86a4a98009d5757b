"""Write numbers for people; nothing outside the renderers humanises."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from analyzer import amounts, visible
from analyzer.amounts import percent
from analyzer.documents.member import Member
from analyzer.documents.provenance import MergedWorkload


class Predicted(Protocol):
    """A record with a predicted gain."""

    @property
    def predicted_ratio(self) -> float | None: ...
    @property
    def predicts_time(self) -> bool: ...


MISSING = "\N{EN DASH}"
_TIMES = "\N{MULTIPLICATION SIGN}"


def size(size_bytes: int | None) -> str:
    """Write bytes as PostgreSQL's pg_size_pretty() counts them: 1 kB is 1024 bytes."""
    return MISSING if size_bytes is None else amounts.size(size_bytes)


def duration(milliseconds: float | None) -> str:
    """Write a time in the unit that keeps it short."""
    if milliseconds is None:
        return MISSING
    if milliseconds < 0.0995:
        return f"{amounts.short(milliseconds * 1000)} µs"
    if milliseconds < 999.5:
        return f"{amounts.short(milliseconds)} ms"
    seconds = milliseconds / 1000
    if seconds < 119.5:
        return f"{amounts.short(seconds)} s"
    if seconds < 7170:
        return f"{amounts.short(seconds / 60)} min"
    return f"{amounts.short(seconds / 3600)} h" if seconds < 172_800 else f"{amounts.short(seconds / 86_400)} d"


def seconds(value: float | None) -> str:
    """Write a time given in seconds."""
    return MISSING if value is None else duration(value * 1000)


def share(value: float | None) -> str:
    """Write a share, 0 to 1, in percent."""
    return MISSING if value is None else percent(value)


def within(gap: float) -> str:
    """Say how close the proposals are to the best set."""
    best = "the best set of the candidates that were tried, as far as their plans are known"
    return f"within {share(gap)} of {best}" if gap else best


def signed_share(value: float) -> str:
    """Write the change of a share, with its sign."""
    written, sign = share(abs(value)), "\N{MINUS SIGN}" if value < 0 else "+"
    return f"{written[:2]}{sign}{written[2:]}" if written[0] in "<>" else f"{sign}{written}"


def server(version: str) -> str:
    """Cut `version()` down to product and number."""
    return " ".join(version.split()[:2]).rstrip(",") or version


def ratio(value: float | None) -> str:
    """Write a ratio of before to after, so that a regression does not look like a gain."""
    if value is None:
        return MISSING
    if value >= 1.05:
        return f"{amounts.short(value)}{_TIMES} faster"
    if value > 1 / 1.05:
        return "unchanged"
    return f"{amounts.short(1 / value)}{_TIMES} slower"


def predicted(record: Predicted) -> str:
    """Write a predicted gain: of time where times were recorded, else of cost."""
    return ratio(record.predicted_ratio) if record.predicts_time else cheaper(record.predicted_ratio)


def cheaper(value: float | None) -> str:
    """Write a ratio of costs."""
    return ratio(value).replace("faster", "cheaper").replace("slower", "more expensive")


def cost(value: float | None) -> str:
    """Write planner units: thousands separated, decimals only where they matter.

    Millions have four digits at least, by which a saving of half a percent is seen.
    """
    if value is None:
        return MISSING
    if abs(value) >= 999_999.5:
        millions = value / 1e6
        return f"{millions:,.{max(1, 4 - len(f'{abs(millions):.0f}'))}f} M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def count(value: float | None) -> str:
    """Write a count with its thousands separated."""
    return MISSING if value is None else f"{value:,.0f}"


def moment(value: datetime | None) -> str:
    """Write a moment in UTC, whatever zone it came in."""
    if value is None:
        return "unknown"
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def merged(snapshots: Sequence[MergedWorkload]) -> str:
    """Say what of which snapshots was merged; nothing for a single one."""
    return "; ".join(
        f"{one_line(each.name)} ({each.server_role}, captured {moment(each.captured_at)}, statements since "
        f"{moment(each.statements_since) if each.since_snapshot is None else one_line(each.since_snapshot)})"
        for each in snapshots
    )


def alike(members: Sequence[Member]) -> str:
    """Say that a statement stands for several; nothing for one that stands for itself."""
    return f"{len(members):,} statements of one shape" if members else ""


def one_line(text: str, *, at_most: int | None = None) -> str:
    """Fold white space, and cut what is too long with an ellipsis."""
    folded = visible.one_line(text)
    return folded if at_most is None or len(folded) <= at_most else folded[: at_most - 1].rstrip() + "…"
