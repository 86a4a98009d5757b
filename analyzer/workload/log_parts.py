"""Cut the text of a log into parts that can be read apart: each begins where a record does.

Where they are cut depends on the text alone, and so does what is found in them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from analyzer.workload.log_files import LogFileText
from analyzer.workload.log_formats import LogForm, find_form
from analyzer.workload.log_lines import Tally, count_strange

#: A part is read in a fraction of a second; each process has one, and some wait.
PART_BYTES: Final = 5 * 1024**2 // 2
#: More of one record is not read.
_LONGEST_RECORD: Final = 18 * 1024**2
#: How much of a line is looked at to see whether it begins a record.
_LONGEST_PREFIX: Final = 2_000
#: Lines in stderr without the beginning of a record, behind which it is something else.
_MOST_LINES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Part:
    """Some records of a file."""

    #: Its place among the files.
    file: int
    name: str
    form: LogForm
    text: bytes


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
        """Count what was skipped, once all is read."""
        return self.file.skipped + self.tally.skipped

    def __iter__(self) -> Iterator[Part]:
        """Yield the parts, from the first block in which a record is found."""
        text, begin, target = bytearray(), 0, self.part_bytes
        for block in self.file:
            if self.form is None and not self._find_form(block):
                continue
            text += block
            while len(text) > target:
                if cut := self._cut(text, begin, target):
                    yield self._part(text[:cut])
                    del text[:cut]
                    begin, target = 0, self.part_bytes
                elif target > _LONGEST_RECORD:
                    self.tally.skipped["records that are too long"] += 1
                    del text[:target]
                    begin, target = 0, self.part_bytes
                else:
                    begin, target = target, target + self.part_bytes
        if text and self.form is not None:
            yield self._part(text)

    def _find_form(self, block: bytes) -> bool:
        text = decoded(block)
        self.form = find_form(text, self.prefix)
        if self.form is None:
            count_strange(text, self.tally)
        return self.form is not None

    def _part(self, text: bytes | bytearray) -> Part:
        assert self.form is not None  # noqa: S101 - there is no text before it is found
        return Part(self.number, self.name, self.form, bytes(text))

    def _cut(self, text: bytearray, begin: int, end: int) -> int:
        """Return where the last record begins between two places; 0 if none does.

        In stderr, what is no record for long is cut at its last line.
        """
        assert self.form is not None  # noqa: S101 - there is no text before it is found
        is_stderr, is_long = self.form.format == "stderr", end > _LONGEST_RECORD
        last, seen = 0, 0
        while (end := text.rfind(b"\n", begin, end)) >= 0 and not (is_stderr and seen >= _MOST_LINES):
            line = end + 1
            if is_stderr and text.startswith(b"\t", line):
                continue
            if self.form.is_start(decoded(text[line : line + _LONGEST_PREFIX])):
                return line
            last, seen = last or line, seen + 1
        return last if is_stderr and (is_long or seen >= _MOST_LINES) else 0


def decoded(lines: bytes | bytearray) -> str:
    """Return the text of lines; bytes that are not UTF-8 become replacement characters."""
    return lines.decode("utf-8", "replace").replace("\r\n", "\n")
