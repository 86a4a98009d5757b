"""Comments that take a finding out of the count: `# twindex: ignore TX204 reason: … until: 2027-01-31`."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analyzer.specs.tolerant import Comment, Source

_MARK = re.compile(r"twindex:\s*ignore\b(?P<rest>.*)", re.IGNORECASE)
_RULES = re.compile(r"(?P<rules>.*?)(?P<rest>\breason:.*)?", re.IGNORECASE)
_REASON = re.compile(r"reason:\s*(?P<reason>.*?)\s*(?:\buntil:\s*(?P<until>\S+))?\s*", re.IGNORECASE)
_CODE = re.compile(r"TX\d{3}", re.IGNORECASE)
_USAGE = "write `twindex: ignore TX204 reason: …`"

#: Gives the code of a rule by its code or a short name; None for an unknown name.
CodeOf = Callable[[str], str | None]


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


def read_suppressions(source: Source, code_of: CodeOf) -> Iterator[Ignore | Malformed]:
    """Yield what the comments of a file ignore; a comment is about the spec it stands in, or the next one."""
    for comment in source.comments:
        mark = _MARK.match(comment.text)
        if mark is not None:
            yield from _parse(source, comment, mark["rest"], code_of)


def _parse(source: Source, comment: Comment, rest: str, code_of: CodeOf) -> Iterator[Ignore | Malformed]:
    parts = _RULES.fullmatch(rest)
    named = [name for name in re.split(r"[\s,]+", parts["rules"]) if name] if parts is not None else []
    if parts is None or not named:
        yield Malformed(line=comment.line, problem=f"it names no rule; {_USAGE}")
        return
    codes = [code_of(name) or (name.upper() if _CODE.fullmatch(name) else None) for name in named]
    reason = _REASON.fullmatch(parts["rest"]) if parts["rest"] is not None else None
    if codes[0] is not None and (reason is None or not reason["reason"]):
        yield Malformed(line=comment.line, problem="no reason; add `reason: …`")
        return
    unknown = next((name for name, code in zip(named, codes, strict=True) if code is None), None)
    if unknown is not None or reason is None:
        yield Malformed(line=comment.line, problem=f"{unknown} is not a rule; {_USAGE}")
        return
    try:
        until = dt.date.fromisoformat(reason["until"]) if reason["until"] else None
    except ValueError:
        yield Malformed(line=comment.line, problem=f"{reason['until']!r} is no date; write `until: 2027-01-31`")
        return
    spec_line = next((first for first, last in source.spans if last >= comment.line), None)
    if spec_line is None:
        yield Malformed(
            line=comment.line, problem="it follows the last spec; place it above or in the spec it applies to"
        )
        return
    for code in filter(None, codes):
        yield Ignore(code=code, reason=reason["reason"], until=until, line=comment.line, spec_line=spec_line)
