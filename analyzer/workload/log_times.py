"""Read the times of a log, in whatever way they are written, and say which are before a moment."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import TypeAdapter, ValidationError

from analyzer.documents.bounds import Moment

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*\s*(\S*)")
_OFFSET = re.compile(r"([+-])(\d\d)(?::?(\d\d))?")
_UTC: Final = frozenset({"UTC", "GMT", "Z", ""})
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_MOST_ZONES: Final = 20
#: `2026-11-29 16:07`, where a time is written so.
_MINUTE: Final = 16


def moment(text: str | None, zones: set[str]) -> datetime | None:
    """Read a time of a log; one in a time zone whose abbreviation is not known is taken for UTC, and `zones` has it."""
    if text is None:
        return None
    try:
        if (found := _TIME.match(text)) is None:
            read = datetime.fromtimestamp(float(text), UTC)  # %n
        else:
            day, clock, fraction, zone = found.groups()
            read = datetime.fromisoformat(f"{day}T{clock}{(fraction or '.').ljust(7, '0')}").replace(tzinfo=UTC)
            offset = _OFFSET.fullmatch(zone)
            if offset is not None:
                distance = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
                read -= distance if offset[1] == "+" else -distance
            elif zone not in _UTC and len(zones) < _MOST_ZONES:
                zones.add(zone[:20])
        return _MOMENT.validate_python(read)
    except (ValueError, OverflowError, OSError, ValidationError):
        return None


@dataclass(slots=True)
class Boundary:
    """A moment that times of a log are before or not; a minute on one side of it is read once."""

    since: datetime
    #: Abbreviations of time zones that are not known: what is in one of these is compared with nothing.
    zones: set[str]
    _minute: tuple[str, str] = ("", "")
    _is_before: bool | None = field(default=None)

    def is_before(self, time: str | None) -> bool:
        """Say whether a time is before the moment; one that is not known is not."""
        if time is None:
            return False
        minute = time[:_MINUTE], time.rpartition(" ")[2]
        if time[_MINUTE : _MINUTE + 1] == ":" and minute == self._minute and self._is_before is not None:
            return self._is_before
        read = moment(time, self.zones)
        found = read is not None and read < self.since
        near = read is None or abs(read - self.since) < timedelta(minutes=1)
        self._minute, self._is_before = minute, None if near else found
        return found
