"""Sentences about btree indexes: for each rule a statement that gets an index, and one that nearly does."""

import pytest

from tests.server.sentences import Sentences

HITS = [
    ("SELECT * FROM orders WHERE status = $1 AND customer_id = $2", "orders (customer_id, status)"),
    ("SELECT id FROM orders WHERE sales_rep = $1 ORDER BY created_at DESC LIMIT 20", "orders (sales_rep, created_at)"),
]
MISSES = [
    ("SELECT * FROM orders WHERE note = $1 AND customer_id = $2", "orders (sales_rep)"),
]


@pytest.mark.parametrize(("statement", "index"), HITS)
def test_a_statement_gets_an_index_that_makes_it_cheaper(sentences: Sentences, statement: str, index: str) -> None:
    sentences.assert_gets(statement, index)


@pytest.mark.parametrize(("statement", "index"), MISSES)
def test_a_statement_that_is_nearly_alike_does_not_get_it(sentences: Sentences, statement: str, index: str) -> None:
    sentences.assert_does_not_get(statement, index)
