"""Write what an index costs writers as one line."""

from analyzer.documents.write_costs import Upkeep
from analyzer.render import units

#: Fewer an hour are written as none.
_LEAST_AN_HOUR = 0.05
_PERIODS = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


def upkeep(found: Upkeep) -> str:
    """Say what is added to an index, what that adds to the WAL, which updates cease to be HOT, and what it costs."""
    if not found.entries and not found.other_entries and not found.cost:
        return "no entry, as far as the recorded writes say"
    parts = [_added(found), _hot(found)]
    share = "" if found.share_of_saving is None else f"; {units.share(found.share_of_saving)} of what it saves"
    return f"{', '.join(parts)}{share}{_source(found)}"


def _added(found: Upkeep) -> str:
    entries, wal = found.entries_per_second, found.wal_bytes_per_second
    if entries is None or wal is None:
        text = f"{_number(found.entries)} entries, {units.size(round(found.wal_bytes))} of WAL in all"
        others = _number(found.other_entries)
    else:
        text = f"{rate(entries, 'entries')}, {_wal(wal)}"
        others = rate(found.other_entries / (found.window_seconds or 1.0), "entries")
    return f"{text} ({others} in other indexes)" if found.other_entries else text


def _hot(found: Upkeep) -> str:
    lost = found.hot_updates_lost_per_second
    if not found.hot_updates_lost:
        return "no HOT update lost"
    text = f"{_number(found.hot_updates_lost)} HOT updates" if lost is None else rate(lost, "HOT updates")
    return f"{text} lost"


def _source(found: Upkeep) -> str:
    if found.source == "statements":
        return ""
    unknown = ", some updates of unknown columns" if found.unknown_updates else ""
    return f" (by {found.source}{unknown})"


def rate(per_second: float, what: str) -> str:
    """Write how often something happens, by the shortest period in which it does."""
    for period, length in _PERIODS:
        if per_second * length >= 1:
            return f"{_number(per_second * length)} {what}/{period}"
    hourly = per_second * _PERIODS[-1][1]
    return f"{_number(hourly)} {what}/h" if hourly >= _LEAST_AN_HOUR else f"hardly any {what}"


def _wal(per_second: float) -> str:
    for period, length in _PERIODS:
        if per_second * length >= 1:
            return f"{units.size(round(per_second * length))}/{period} of WAL"
    return "hardly any WAL"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.2g}"
