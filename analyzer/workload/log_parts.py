"""Cut the text of a log into parts that can be read apart: each begins where a record does.

Where they are cut depends on the text alone, and so does what is found in them. A part of a file that is not compressed
is a range, which whoever reads the part reads himself; only the text around its ends is looked at here.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from analyzer.workload.log_files import FileRange, LogFileText
from analyzer.workload.log_formats import LogForm, find_form
from analyzer.workload.log_lines import Tally, count_strange

#: A part takes a second or two to read, and its result a tenth of one to put together with the others.
PART_BYTES: Final = 16 * 1024**2
#: Of compressed files, whose text is held: each process has one, and some wait.
_TEXT_BYTES: Final = 5 * 1024**2 // 2
#: So much of a part is read at once.
_BLOCK_BYTES: Final = 1024**2
#: More of one record is not read.
_LONGEST_RECORD: Final = 18 * 1024**2
#: How much of a line is looked at to see whether it begins a record.
_LONGEST_PREFIX: Final = 2_000
#: How much of the text is looked at together to find the beginning of a record.
_WINDOW_BYTES: Final = 64 * 1024
#: Lines in stderr without the beginning of a record, behind which it is something else.
_MOST_LINES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Part:
    """Some records of a file."""

    #: Its place among the files.
    file: int
    name: str
    form: LogForm
    source: bytes | FileRange

    @property
    def size(self) -> int:
        """Return the number of its bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.end - self.source.begin

    def blocks(self, tally: Tally) -> Iterator[bytes]:
        """Yield its text in blocks, each of which begins where a record does; count what is skipped."""
        if isinstance(self.source, bytes):
            yield self.source
        else:
            yield from _cut_blocks(self.source.lines(tally.skipped), self.form, _BLOCK_BYTES, tally)


@dataclass(slots=True)
class FileParts:
    """The parts of one file; iterate over it once."""

    file: LogFileText
    #: Its place among the files.
    number: int
    prefix: str | None = None
    part_bytes: int = PART_BYTES
    #: None until it is found.
    form: LogForm | None = None
    tally: Tally = field(default_factory=Tally)

    @property
    def name(self) -> str:
        """Return the name to show."""
        return self.file.path.name.replace("\0", "\ufffd")

    @property
    def skipped(self) -> Counter[str]:
        """Count what was skipped, once all is read; a file of which several parts cannot be read is one file."""
        counts = self.file.skipped + self.tally.skipped
        return Counter({what: 1 if what.startswith("files ") else count for what, count in counts.items()})

    def __iter__(self) -> Iterator[Part]:
        """Yield the parts, from the first block in which a record is found."""
        blocks = iter(self.file)
        for begin, block in blocks:
            form = self._find_form(block)
            if form is None:
                continue
            if (whole := self.file.range) is not None and begin < whole.end:
                yield from self._ranges(replace(whole, begin=begin), form)
                return
            texts = itertools.chain((block,), (text for _, text in blocks))
            for text in _cut_blocks(texts, form, min(self.part_bytes, _TEXT_BYTES), self.tally):
                yield Part(self.number, self.name, form, text)

    def _find_form(self, block: bytes) -> LogForm | None:
        text = decoded(block)
        self.form = find_form(text, self.prefix)
        if self.form is None:
            count_strange(text, self.tally)
        return self.form

    def _ranges(self, rest: FileRange, form: LogForm) -> Iterator[Part]:
        """Cut a range; records that are too long are left to whoever reads it."""
        try:
            with rest.open() as raw:

                def read(begin: int, size: int) -> bytes:
                    raw.seek(begin)
                    return raw.read(size)

                begin, target = rest.begin, rest.begin + self.part_bytes
                while target < rest.end:
                    is_long = target - rest.begin > _LONGEST_RECORD
                    if cut := _last_start(read, form, begin, target, is_long=is_long):
                        yield Part(self.number, self.name, form, replace(rest, end=cut))
                        rest = replace(rest, begin=cut)
                        begin, target = cut, cut + self.part_bytes
                    else:
                        begin, target = target, target + self.part_bytes
        except (OSError, ValueError) as error:
            self.file.stop(error)
        else:
            yield Part(self.number, self.name, form, rest)


def _cut_blocks(blocks: Iterable[bytes], form: LogForm, most_bytes: int, tally: Tally) -> Iterator[bytes]:
    """Cut blocks of lines where records begin."""
    text, begin, target = bytearray(), 0, most_bytes

    def read(place: int, size: int) -> bytes:
        return bytes(text[place : place + size])

    for block in blocks:
        text += block
        while len(text) > target:
            is_long = target > _LONGEST_RECORD
            if cut := _last_start(read, form, begin, target, is_long=is_long):
                yield bytes(text[:cut])
                del text[:cut]
                begin, target = 0, most_bytes
            elif is_long:
                tally.skipped["records that are too long"] += 1
                del text[:target]
                begin, target = 0, most_bytes
            else:
                begin, target = target, target + most_bytes
    if text:
        yield bytes(text)


def _last_start(read: Callable[[int, int], bytes], form: LogForm, begin: int, end: int, *, is_long: bool) -> int:
    """Return where the last record begins between two places of a text; 0 if none does.

    `read` returns what is at a place, of a number of bytes. In stderr, what is no record for long is cut at its last
    line.
    """
    is_stderr = form.format == "stderr"
    last, seen = 0, 0
    while end > begin:
        start = max(begin, end - _WINDOW_BYTES)
        text = read(start, end - start + _LONGEST_PREFIX)
        place = end - start
        while (place := text.rfind(b"\n", 0, place)) >= 0:
            line = place + 1
            if is_stderr and text.startswith(b"\t", line):
                continue
            if form.is_start(decoded(text[line : line + _LONGEST_PREFIX])):
                return start + line
            last, seen = last or start + line, seen + 1
            if is_stderr and seen >= _MOST_LINES:
                return last
        end = start
    return last if is_stderr and is_long else 0


def decoded(lines: bytes | bytearray) -> str:
    """Return the text of lines; bytes that are not UTF-8 become replacement characters."""
    return lines.decode("utf-8", "replace").replace("\r\n", "\n")
