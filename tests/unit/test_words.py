"""Words that PostgreSQL's manual does not use, searched for in everything that users and the next owner read."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: A pattern, and what to write instead.
BANNED = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\banew\b": "again; rebuild",
    r"\b(is|are|was|be) none\b": "is not one; does not exist; has no …",
    r"\bthere is no\b.{0,20}\bof this\b": "not supported by this command",
    r"\b(is|are|was|were) wanted\b": "must be; is required",
    r"\bdearer\b": "more expensive",
    r"\bfor good\b": "permanently",
    r"\bat hand\b": "available",
    r"\bunsaid\b": "not set; unspecified",
    r"\bsaid aloud\b": "set explicitly",
    r"\b(has|have) (it )?not(?=[,;.:]|$)": "does not support; does not have",
    r"\bheed(s|ed|ing)?\b": "uses; depends on; takes into account",
    r"\b[Nn]obody\b": "no role; no user; no session",
    r"\b(is|are|be|been|was|were) told\b(?! apart)": "is reported",
    r"\blies? (in|on|within|beside|under|astray)\b": "is in; is out of …",
    r"\bastray\b": "out of order",
    r"\bbears? (a|no)\b": "has",
    r"\bmeanwhile\b": "in the meantime; during …",
    r"\bwhat (is there|there is)\b": "name the thing",
    r"\bafresh\b": "again",
    r"\btakes? .{0,30}\balong\b": "includes; samples",
    r"\bby hand\b": "manually",
}
#: Names that stand in users' files, or in the operating system.
NAMES = re.compile(r"jsonb-opclass-unsaid|^nobody$")
_PATTERN = re.compile("|".join(f"(?:{each})" for each in BANNED))
_JINJA_CODE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def sources() -> list[Path]:
    """Return every file whose words are examined."""
    files = sorted(ROOT.glob("*.md"))
    for folder, suffix in (("docs", ".md"), ("analyzer", ".py"), ("analyzer", ".jinja"), ("sql_templates", ".jinja")):
        files += sorted((ROOT / folder).rglob(f"*{suffix}"))
    return files


def strings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a file with the line where they start: of Python strings and comments, else paragraphs."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.lineno, node.value
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
        return
    if path.suffix == ".jinja":
        text = _JINJA_CODE.sub(_blank, text)
    if path.suffix == ".md":  # what commands print is held where they say it
        text = _FENCED.sub(_blank, text)
    line = 1
    for paragraph in re.split(r"(\n\s*\n)", text):
        yield line, paragraph
        line += paragraph.count("\n")


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def banned_in(text: str) -> list[str]:
    return [] if NAMES.search(text) else [match[0] for match in _PATTERN.finditer(" ".join(text.split()))]


def test_no_word_that_a_dba_would_stumble_over() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word!r}"
        for path in sources()
        for line, text in strings_of(path)
        for word in banned_in(text)
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "fix it, mend the rows", "built anew", "the format there is none of this is none", "a list is wanted",
        "1.2 times dearer", "recall is low for good", "the closest at hand", "fastupdate unsaid",
        "where the server has it not", "what the planner\n    heeds", "nobody holds it", "it is told in the log",
        "a few rows lie astray", "start afresh", "take N rows of each table along",
    ],
)  # fmt: skip
def test_the_words_are_found(text: str) -> None:
    assert banned_in(text)


@pytest.mark.parametrize("text", ["the server has not been upgraded", "two that cannot be told apart", "x is None"])
def test_plain_words_are_not(text: str) -> None:
    assert not banned_in(text)


def test_texts_are_seen_in_each_kind_of_file() -> None:
    seen = {path.suffix for path in sources() if any(text.strip() for _, text in strings_of(path))}
    assert seen == {".md", ".py", ".jinja"}
    assert len(sources()) > 400
