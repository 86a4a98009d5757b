"""The statements that object-relational mappers send can be planned, and are of the tables that they name."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from analyzer.advise.price import shaped_and_priced
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.postgres.lex import lex, significant
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.twin import Twin, open_twin
from analyzer.workload.parse import Statement, Workload, parse_statements
from benchmarks.corpora import SCHEMA, Corpus, read_corpora, send
from tests.conftest import fresh_database

CORPORA = read_corpora()
#: Of all statements; what is not plannable is named when the test fails, and in docs/benchmarks/workload.md.
PLANNABLE = 0.98
#: What a driver sends beside queries, and the server records without a plan.
NO_QUERIES = ("SAVEPOINT", "RELEASE", "ROLLBACK", "FETCH", "CLOSE")


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, and the twin of the database that it was sent to."""

    texts: dict[str, tuple[str, ...]]
    workloads: dict[str, Workload]
    twin: Twin


@pytest.fixture(scope="module")
def sent(any_server: str) -> Iterator[Sent]:
    with fresh_database(any_server) as url:
        with connect(url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute(SCHEMA.encode())
        texts: dict[str, tuple[str, ...]] = {}
        snapshots: dict[str, Snapshot] = {}
        for corpus in CORPORA:
            with connect(url, autocommit=True) as connection:
                connection.execute("SELECT pg_stat_statements_reset()")
                texts[corpus.name] = send(connection, corpus)
            snapshots[corpus.name] = capture(url, allow_superuser=True)
        workloads = {name: parse_statements(each) for name, each in snapshots.items()}
        with open_twin(snapshots[CORPORA[-1].name], wanted=PlannerChoice(trust_schema=True)) as twin:
            yield Sent(texts, workloads, twin)


def of_corpus(sent: Sent, corpus: Corpus) -> tuple[Statement, ...]:
    return tuple(each for each in sent.workloads[corpus.name].statements if "pg_stat" not in each.text)


def named(statement: Statement, tables: frozenset[str]) -> set[str]:
    """Return the tables that a statement names; no column or alias of the corpora has the name of a table."""
    return {token.name for token in significant(lex(statement.text)) if token.name in tables}


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.name)
def test_every_statement_is_read_once(sent: Sent, corpus: Corpus) -> None:
    queries = [text for text in sent.texts[corpus.name] if not text.startswith(NO_QUERIES)]
    assert len(of_corpus(sent, corpus)) == len(queries)
    assert sent.workloads[corpus.name].not_examined == ()


def test_the_place_of_an_error_is_that_in_the_statement(sent: Sent) -> None:
    text = "SELECT id FROM orders WHERE placed_at < now() AND placed_at > current_timestamp AND id = (SELECT $1)\n"
    with pytest.raises(psycopg.errors.UndefinedFunction) as caught:
        sent.twin.plan(text)
    position = int(caught.value.diag.statement_position or 0)
    assert position - 1 - sent.twin.offset(text, caught.value) == text.index("= (SELECT")


def test_nearly_every_statement_is_plannable_and_none_is_of_the_wrong_table(sent: Sent) -> None:
    tables = frozenset(relation.name for relation in sent.twin.snapshot.relations)
    refused: list[str] = []
    wrong: list[str] = []
    statements = [each for corpus in CORPORA for each in of_corpus(sent, corpus)]
    for statement in statements:
        shaped, priced = shaped_and_priced(sent.twin, statement)
        if isinstance(priced, NotExamined):
            refused.append(f"{priced.reason}: {statement.text}")
        found = set[str]() if isinstance(shaped, NotExamined) else {each.table for each in shaped.tables}
        if found != named(statement, tables):
            wrong.append(f"{found}: {statement.text}")
    assert wrong == []
    assert len(statements) > 300
    assert len(refused) <= (1 - PLANNABLE) * len(statements), "\n".join(refused)
