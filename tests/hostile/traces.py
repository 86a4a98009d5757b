"""Read what `strace -f` says of a run: which program executed, opened and connected to what."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CALLS = "execve,execveat,connect,open,openat,openat2,creat,clone,clone3,fork,vfork"
_LINE = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_UNFINISHED = " <unfinished ...>"
_CHILD = re.compile(r"= (\d+)\s*$")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_FORKS = frozenset({"clone", "clone3", "fork", "vfork"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the system."""

    #: File name of the program that the process runs.
    program: str
    name: str
    #: What is executed or opened, or which address is connected to.
    target: str
    arguments: str
    failed: bool


def read_trace(text: str) -> tuple[Call, ...]:
    """Return the calls of a trace in order, each with the program that made it."""
    lines = _whole(text.splitlines())
    parents: dict[int, int] = {}
    programs: dict[int, list[tuple[int, str]]] = {}
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if match is None:
            continue
        pid = int(match["pid"])
        if match["name"] in _FORKS and (child := _CHILD.search(match["rest"])) is not None:
            parents[int(child[1])] = pid
        if match["name"] == "execve" and (path := _PATH.search(match["rest"])) and "= -1" not in line:
            programs.setdefault(pid, []).append((number, path[1]))

    def program(pid: int, number: int) -> str:
        before = [path for at, path in programs.get(pid, ()) if at < number]
        if before:
            return before[-1]
        return program(parents[pid], number) if pid in parents else ""

    return tuple(_calls(lines, program))


def _whole(lines: list[str]) -> list[str]:
    """Put what strace says when a call ends, and others were printed meanwhile, where it began."""
    whole: list[str] = []
    begun: dict[str, int] = {}
    for line in lines:
        if line.endswith(_UNFINISHED):
            begun[line.split(" ", 1)[0]] = len(whole)
            whole.append(line.removesuffix(_UNFINISHED))
        elif (match := _RESUMED.match(line)) is not None and match["pid"] in begun:
            whole[begun.pop(match["pid"])] += match["rest"]
        else:
            whole.append(line)
    return whole


def _calls(lines: list[str], program: Callable[[int, int], str]) -> Iterator[Call]:
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if match is None or match["name"] in _FORKS:
            continue
        rest = match["rest"]
        path = _PATH.search(rest)
        target = rest if match["name"] == "connect" else path[1] if path is not None else rest
        yield Call(
            program=program(int(match["pid"]), number),
            name=match["name"],
            target=target,
            arguments=rest,
            failed="= -1" in rest,
        )
