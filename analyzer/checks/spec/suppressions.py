"""Comments that take a finding out of the count: `# twindex: ignore TX204 reason: … until: 2027-01-31`."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.specs.tolerant import Comment, Source

_MARK = re.compile(r"twindex:\s*ignore\b(?P<rest>.*)", re.IGNORECASE)
_CODES = re.compile(r"\s*(?P<codes>TX\d{3}(?:\s*,\s*TX\d{3}|\s+TX\d{3})*)\s*(?P<rest>.*)", re.IGNORECASE)
_REASON = re.compile(r"reason:\s*(?P<reason>.*?)\s*(?:\buntil:\s*(?P<until>\S+))?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """One rule that a comment ignores for one spec."""

    code: str
    reason: str
    until: dt.date | None
    line: int
    #: First line of the spec it is about.
    spec_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A comment that means to suppress and does not say how."""

    line: int
    problem: str


def read_suppressions(source: Source) -> Iterator[Ignore | Malformed]:
    """Yield what the comments of a file ignore; a comment is about the spec it stands in, or the next one."""
    for comment in source.comments:
        mark = _MARK.match(comment.text)
        if mark is not None:
            yield from _parse(source, comment, mark["rest"])


def _parse(source: Source, comment: Comment, rest: str) -> Iterator[Ignore | Malformed]:
    codes = _CODES.fullmatch(rest)
    if codes is None:
        yield Malformed(line=comment.line, problem="it names no rule; write `twindex: ignore TX204 reason: …`")
        return
    reason = _REASON.fullmatch(codes["rest"])
    if reason is None or not reason["reason"]:
        yield Malformed(line=comment.line, problem="it gives no reason; add `reason: …`")
        return
    try:
        until = dt.date.fromisoformat(reason["until"]) if reason["until"] else None
    except ValueError:
        yield Malformed(line=comment.line, problem=f"{reason['until']!r} is no date; write `until: 2027-01-31`")
        return
    spec_line = next((first for first, last in source.spans if last >= comment.line), None)
    if spec_line is None:
        yield Malformed(
            line=comment.line, problem="it stands after the last spec; put it above or into the one it means"
        )
        return
    for code in re.findall(r"TX\d{3}", codes["codes"].upper()):
        yield Ignore(code=code, reason=reason["reason"], until=until, line=comment.line, spec_line=spec_line)
