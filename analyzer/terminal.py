"""Rich's console and progress bars, for text that somebody else chose: no markup, nothing that steers the terminal."""

import io
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import Task, TextColumn
from rich.segment import Segment
from rich.table import Column
from rich.text import Text

from analyzer.visible import visible, visible_block


class VisibleConsole(Console):
    """A console on which every character of a text is seen; what rich itself sends to a terminal stays."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render to segments, each text of which is shown."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible_block(segment.text))


def page(*, width: int, colour: bool) -> VisibleConsole:
    """Return a console whose output is captured and becomes a text of that many columns."""
    return VisibleConsole(
        file=io.StringIO(), width=width, color_system="standard" if colour else None, force_terminal=colour,
        markup=False, emoji=False, highlight=False, legacy_windows=False, _environ={},
    )  # fmt: skip


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a stream is there and a terminal."""
    return stream is not None and stream.isatty()


def of_stderr(*, quiet: bool = False) -> VisibleConsole:
    """Return the console of stderr."""
    return VisibleConsole(stderr=True, quiet=quiet, markup=False, emoji=False, highlight=False)


def of_stdout() -> VisibleConsole:
    """Return the console of stdout, which knows its width and whether it shows colours."""
    return VisibleConsole(markup=False, emoji=False, highlight=False)


class Description(TextColumn):
    """The column of a progress bar that shows what is being done, on one line."""

    def __init__(self, text_format: str = "{task.description}", *, table_column: Column | None = None) -> None:
        """Show a task by a format of its attributes."""
        super().__init__(text_format, markup=False, table_column=table_column)

    def render(self, task: Task) -> Text:
        """Render one task."""
        return Text(visible(self.text_format.format(task=task)), style=self.style, justify=self.justify)
