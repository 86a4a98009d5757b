"""Write what an index costs writers as one line."""

from analyzer.documents.write_costs import Upkeep
from analyzer.render import units

_PERIODS = (("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86_400.0))


def upkeep(found: Upkeep) -> str:
    """Say what is added to an index, what that adds to the WAL, which updates cease to be HOT, and what it costs."""
    if not found.entries and not found.other_entries and not found.cost:
        return "no entry, as far as the recorded writes say"
    parts = [_added(found), _hot(found)]
    share = "" if found.share_of_saving is None else f"; {units.share(found.share_of_saving)} of what it saves"
    whole = "" if found.window_seconds else " in the whole workload"
    return f"{', '.join(parts)}{whole}{share}{_source(found)}"


def _added(found: Upkeep) -> str:
    seconds = found.window_seconds
    period, length = _period(max(found.entries, found.other_entries), seconds)
    entries, others = (
        f"{_number(each * length, 'entry', 'entries')}{period}" for each in (found.entries, found.other_entries)
    )
    wal = f"{units.size(round(found.wal_bytes * length))}{period} of WAL"
    return f"{entries}, {wal} ({others} in other indexes)" if found.other_entries else f"{entries}, {wal}"


def _hot(found: Upkeep) -> str:
    if not found.hot_updates_lost:
        return "no HOT update lost"
    period, length = _period(found.hot_updates_lost, found.window_seconds)
    return f"{_number(found.hot_updates_lost * length, 'HOT update', 'HOT updates')}{period} lost"


def _source(found: Upkeep) -> str:
    if found.source == "statements":
        return ""
    unknown = ", some updates of unknown columns" if found.unknown_updates else ""
    return f" (by {found.source}{unknown})"


def _period(count: float, seconds: float | None) -> tuple[str, float]:
    """Return the shortest period in which something happens, and its part of all the time, if that is known."""
    if not seconds:
        return "", 1.0
    period, length = next((each for each in _PERIODS if count * each[1] >= seconds), _PERIODS[-1])
    return f"/{period}", length / seconds


def _number(value: float, one: str, many: str) -> str:
    text = f"{value:,.0f}" if value >= 99.5 else f"{value:.2g}"
    return f"{text} {one if text == '1' else many}"
