"""What a revision shows of an index is the statement itself, whatever its names and constants hold."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.index import IndexDef, Key
from analyzer.migrate.operations import BuildIndexOp, DropIndexOnlineOp, ReplaceIndexOp, render_operation
from analyzer.sql import literal

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=25)
CONSTANTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


def build(sql: str, definition: str | None = None) -> BuildIndexOp:
    return BuildIndexOp("ix", "t", schema="s", sql=sql, lock_timeout="10min", definition=definition)


def argument(rendered: str, name: str) -> str:
    (call,) = ast.parse(rendered).body
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    return str(ast.literal_eval(next(keyword.value for keyword in call.value.keywords if keyword.arg == name)))


@settings(deadline=None, max_examples=150)
@given(names=st.tuples(NAMES, NAMES, NAMES), columns=st.lists(NAMES, min_size=1, max_size=6), constant=CONSTANTS)
def test_the_statement_survives_the_layout_of_a_revision(
    names: tuple[str, str, str], columns: list[str], constant: str
) -> None:
    schema, table, name = names
    index = IndexDef(
        schema=schema, table=table, name=name, keys=tuple(Key(column=column) for column in columns),
        where=f"note <> {literal(constant)} AND active",
    )  # fmt: skip
    ddl = index.ddl(concurrently=True)
    rendered = render_operation(build(ddl, definition=ddl))
    again = build(argument(rendered, "sql"), definition=argument(rendered, "definition")).target
    assert again.definition == ddl
    assert "".join(again.sql.split()) == "".join(ddl.split())
    if "\n" not in again.sql:
        assert again.sql == ddl


def test_a_constant_that_runs_over_lines_is_left_alone() -> None:
    sql = "\n    CREATE INDEX ix ON t USING btree (a)\n    WHERE b = 'x\n    y'\n"
    assert build(sql).target.sql == sql.strip()


def test_a_build_knows_its_reverse_and_what_alembic_check_prints() -> None:
    operation = build("CREATE INDEX ix ON s.t USING btree (a)")
    drop = operation.reverse()
    assert isinstance(drop, DropIndexOnlineOp)
    assert drop.sql == "DROP INDEX CONCURRENTLY IF EXISTS s.ix"
    assert drop.reverse() is operation
    assert operation.to_diff_tuple() == ("build_index", "s", "t", "ix", operation.sql)


def test_a_replacement_written_by_hand_does_not_know_its_reverse() -> None:
    operation = ReplaceIndexOp("ix", "t", schema="s", sql="CREATE INDEX ix ON s.t (a)", lock_timeout="10min")
    with pytest.raises(NotImplementedError, match="does not know what undoes it"):
        operation.reverse()
