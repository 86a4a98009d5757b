"""The message of a revision, which a template writes into Python."""

import ast
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alembic.util import CommandError, template_to_file

from analyzer.errors import InputError
from analyzer.visible import one_line

#: Quotes that could end a literal: several of them, or one at the end.
_ENDING = re.compile(r"""(["'])\1+|["']\Z""")
_HARMLESS = "message"


class Docstring(str):
    """A message as it may stand between triple quotes."""

    __slots__ = ()


def docstring(message: str | None) -> Docstring | None:
    """Write a message so that it stays one line within a docstring, and reads there as it was given."""
    if message is None or isinstance(message, Docstring):
        return message
    escaped = one_line(message).replace("\\", "\\\\")
    return Docstring(_ENDING.sub(lambda quotes: "".join(f"\\{quote}" for quote in quotes[0]), escaped))


def refuse_code(template: Path, message: str | None, facts: Mapping[str, Any]) -> None:
    """Make sure that a project's own template makes no code of a message; raises InputError.

    Alembic imports what it has written, so the file is rendered beside it first, and compared with that of a message
    of one word.
    """
    with tempfile.TemporaryDirectory() as directory:
        rendered = Path(directory) / "revision.py"
        trees = [_tree(template, rendered, {**facts, "message": each}) for each in (message, _HARMLESS)]
    if trees[0] != trees[1]:
        raise InputError(
            f"{template} writes the message where it is code; put it into the docstring, or give a message of words"
        )


def _tree(template: Path, rendered: Path, facts: Mapping[str, Any]) -> str | None:
    """Return what a revision would do, its constants left out; None for what is no Python."""
    try:
        template_to_file(template, rendered, "utf-8", **facts)
        tree = ast.parse(rendered.read_bytes())
    except CommandError:
        return ""  # it wants to know more than is known here, and then Alembic says so
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)
