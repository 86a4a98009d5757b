"""The statements of tests/corpora, written after the shapes that object-relational mappers produce."""

from dataclasses import dataclass
from pathlib import Path

from analyzer.db import Connection
from analyzer.postgres.lex import Token, tokens_of

DIRECTORY = Path(__file__).parent.parent / "tests" / "corpora"
SCHEMA = (DIRECTORY / "schema.sql").read_text(encoding="utf-8")
#: Before a statement that older servers do not know: `-- from 17`.
_SINCE = "-- from "


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStatement:
    """One statement as an application sends it."""

    text: str
    #: The first major version that has it.
    since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The statements of one object-relational mapper, in the order of its file."""

    name: str
    statements: tuple[CorpusStatement, ...]

    def texts(self, major: int) -> tuple[str, ...]:
        """Return what a server of this version knows."""
        return tuple(each.text for each in self.statements if each.since <= major)


def read_corpora() -> tuple[Corpus, ...]:
    """Read all files but the schema."""
    files = (file for file in sorted(DIRECTORY.glob("*.sql")) if file.stem != "schema")
    return tuple(Corpus(name=file.stem, statements=_statements(file.read_text(encoding="utf-8"))) for file in files)


def send(connection: Connection, corpus: Corpus) -> tuple[str, ...]:
    """Send a corpus in one transaction that is rolled back, and return what was sent."""
    texts = corpus.texts(connection.info.server_version // 10_000)
    with connection.transaction(force_rollback=True):
        for text in texts:
            connection.execute(text.encode())
    return texts


def _statements(text: str) -> tuple[CorpusStatement, ...]:
    found: list[CorpusStatement] = []
    piece: list[Token] = []
    since = 0
    for token in tokens_of(text):
        if token.text == ";" and token.kind == "punctuation":
            found.append(CorpusStatement(text=text[piece[0].start : piece[-1].end], since=since))
            piece, since = [], 0
        elif piece or token.kind != "comment":
            piece.append(token)
        elif token.text.startswith(_SINCE):
            since = int(token.text.removeprefix(_SINCE))
    return tuple(found)
