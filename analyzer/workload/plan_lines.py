"""Clean the lines of a paste: what psql, pgAdmin, mail and syslog put around a plan."""

import re
from collections.abc import Iterator, Sequence

from analyzer.postgres.identifiers import unquote

_BACKGROUND = re.compile(r"\A(?:\s{0,3}> ?)+")
_SYSLOG = re.compile(r"\A\w{3}\s+\d{1,2} [\d:]{8} \S+ \S+\[\d+\]: \[\d+-\d+\] ?(?:#011|\t)?")
_EXPANDED = re.compile(r"\A(?:QUERY PLAN| {10})\s*[|│] ?")
_BORDER = re.compile(r"\A\s?[|│║] ?")
_CONTINUED = ("+", "↵")
#: A record of csvlog, in which quotes are doubled and more fields follow.
_CSV_RECORD = re.compile(r'\A\d{4}-\d\d-\d\d .*,"duration: [\d.]+ ms\s+plan:\Z')
_CSV_QUOTE = re.compile('""')
_CSV_END = re.compile(r'"(?=,|\Z)')
_MEASURED = re.compile(r"\((?:cost=|actual )|QUERY PLAN")
#: Between the rows of psql's expanded output.
RECORD = re.compile(r"-\[ RECORD \d+ \][-+]*")
#: What psql draws, or an empty line.
RULE = re.compile(r"\s*(?:[-+|═─╔╗╠╣╦╩╬┌┐├┤┬┴┼:=]{3,}\s*)?")
HEADER = re.compile(r'\s*(?:[|│║"]\s*)?QUERY PLAN\b')
#: Around a block in Markdown or a ticket.
FENCE = re.compile(r"\s*(?:```|~~~|\{(?:code|noformat)|</?pre|</?code)")


def cleaned(text: str) -> list[str]:
    """Cut a text into lines, each as EXPLAIN printed it; their number stays."""
    lines = [line.rstrip("\r").replace("\N{NO-BREAK SPACE}", " ") for line in text.split("\n")]
    lines = [_unindented(_SYSLOG.sub("", _BACKGROUND.sub("", line))) for line in lines]
    return list(_out_of_csv(list(_uncontinued(_unquoted(_out_of_table(lines))))))


def _unindented(line: str) -> str:
    """Take off the tab that each further line of a log's message begins with; other tabs become spaces."""
    line = line.removeprefix("\t")
    text = line.lstrip()
    return line[: len(line) - len(text)].expandtabs() + text


def _out_of_table(lines: Sequence[str]) -> Iterator[str]:
    """Take borders off, which begin with a header and end with a line without."""
    bordered = expanded = False
    for line in lines:
        if _EXPANDED.match(line) and (expanded or line.startswith("QUERY PLAN")):
            expanded = True
            yield _EXPANDED.sub("", line, count=1)
            continue
        expanded = expanded and RECORD.fullmatch(line) is not None
        cell = _cell(line)
        if cell is not None and (bordered or HEADER.match(line)):
            bordered = True
            yield f" {cell}"
        elif cell is not None and _MEASURED.search(line):  # a table whose header was not copied
            yield f" {cell}"
        else:
            bordered = bordered and RULE.fullmatch(line) is not None
            yield line


def _cell(line: str) -> str | None:
    """Return what stands between borders, of which the right one may be missing; None if there is no left one."""
    border = _BORDER.match(line)
    if border is None:
        return None
    text = line[border.end() :].rstrip()
    return text[:-1].rstrip() if text.endswith(("|", "│", "║")) else text


def _unquoted(lines: Iterator[str]) -> list[str]:
    """Take the quotes off lines that pgAdmin copies, if a plan is among them."""
    found, block = list[str](), list[str]()
    for line in [*lines, ""]:
        if len(line) > 1 and line[0] == line[-1] == '"':
            block.append(line)
            continue
        plan = any(_MEASURED.search(each) for each in block)
        found += map(unquote, block) if plan else block
        block = []
        found.append(line)
    return found[:-1]


def _uncontinued(lines: Sequence[str]) -> Iterator[str]:
    """Take off the marks that psql ends the lines of one cell with, all in the same column."""
    for place, line in enumerate(lines):
        beside = (*lines[max(place - 1, 0) : place], *lines[place + 1 : place + 2])
        marked = line.endswith(_CONTINUED) and any(
            len(each) == len(line) and each.endswith(_CONTINUED) for each in beside
        )
        yield line[:-1].rstrip() if marked else line


def _out_of_csv(lines: Sequence[str]) -> Iterator[str]:
    """Read records of csvlog: quotes are doubled in a message, and behind a single one the next field begins."""
    inside = False
    for line in lines:
        if not inside:
            inside = _CSV_RECORD.match(line) is not None
            yield line
            continue
        end = _CSV_END.search(_CSV_QUOTE.sub("\0\0", line))
        yield _CSV_QUOTE.sub('"', line if end is None else line[: end.start()])
        inside = end is None
