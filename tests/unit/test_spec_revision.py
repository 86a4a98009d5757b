"""What a revision shows of an index is the statement itself, whatever its names and constants hold."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from alembic.operations import MigrateOperation, Operations
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.documents.snapshot import Index
from analyzer.migrate.deploy.statistics import printed_body
from analyzer.migrate.operations import (
    OPERATIONS,
    AlterIndexOp,
    BuildIndexOp,
    DropIndexOnlineOp,
    IndexOperation,
    ObjectOperation,
    ReindexIndexOp,
    RenameIndexOp,
    ReplaceIndexOp,
    SideBySideBuilds,
    TableOperations,
    beside_each_other,
    render_operation,
)
from analyzer.migrate.plan.revision import operation as operation_of
from analyzer.migrate.plan.revision import operations_of
from analyzer.migrate.plan.steps import Verb, plan_index
from analyzer.objects.index import IndexDef, Key
from analyzer.objects.statistics import StatisticsDef
from analyzer.specs.diff import Change, Kind
from analyzer.specs.existing import ExistingStatistics
from analyzer.specs.file import DeclaredSpec
from analyzer.specs.index import IndexSpec
from analyzer.sql import literal

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=25)
CONSTANTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


def build(sql: str, definition: str | None = None) -> BuildIndexOp:
    return BuildIndexOp("ix", "t", schema="s", sql=sql, lock_timeout="10min", definition=definition)


def index_operations(found: list[Change]) -> list[IndexOperation]:
    operations = operations_of(found, deparse=None)
    ours = [each for each in operations if isinstance(each, IndexOperation)]
    assert len(ours) == len(operations)
    return ours


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


def test_a_renaming_knows_its_reverse() -> None:
    operation = RenameIndexOp(
        "ix_old", "t", schema="s", new_name="Ix New", sql="ALTER INDEX s.ix_old RENAME TO x", lock_timeout="5s"
    )
    back = operation.reverse()
    assert isinstance(back, RenameIndexOp)
    assert (back.index_name, back.new_name) == ("Ix New", "ix_old")
    assert back.sql == 'ALTER INDEX s."Ix New" RENAME TO ix_old'
    assert back.reverse() is operation
    assert 'new_name="Ix New"' in render_operation(operation)


def test_comments_and_statistics_are_statements_a_dba_reads() -> None:
    index = IndexDef(schema="s", table="t", name="ix", keys=(Key(expression="lower(a)"),))
    spec = IndexSpec.model_validate(
        {"name": "ix", "keys": [{"expression": "lower(a)", "statistics": 500}], "comment": "it's\n100 %"}
    )
    declared = DeclaredSpec(file=Path("x.yaml"), line=3, schema="s", table="t", spec=spec)
    current = Index(definition=index, ddl="CREATE …", comment="old", statistics_targets=((2, 100),))
    step = plan_index(Change(kind="alter", spec=declared, definition=index, current=current), index)
    assert step.forward.attributes == (
        "COMMENT ON INDEX s.ix IS 'it''s\n100 %'",
        "ALTER INDEX s.ix ALTER COLUMN 1 SET STATISTICS 500",
        "ALTER INDEX s.ix ALTER COLUMN 2 SET STATISTICS -1",
    )
    assert step.reverse.attributes == (
        "COMMENT ON INDEX s.ix IS 'old'",
        "ALTER INDEX s.ix ALTER COLUMN 1 SET STATISTICS -1",
        "ALTER INDEX s.ix ALTER COLUMN 2 SET STATISTICS 100",
    )
    rendered = operation_of(step)
    assert isinstance(rendered, AlterIndexOp)
    assert ast.literal_eval(keyword(render_operation(rendered), "attributes")) == step.forward.attributes


def test_the_index_of_a_partitioned_table_is_made_on_it_alone_and_dropped_plainly() -> None:
    index = IndexDef(schema="s", table="t", name="ix", keys=(Key(column="a"),))
    step = plan_index(Change(kind="create", spec=None, definition=index, current=None), index, partitioned=True)
    assert (step.forward.sql, step.reverse.sql) == (
        "CREATE INDEX ix ON ONLY s.t USING btree (a)",
        "DROP INDEX IF EXISTS s.ix",
    )
    assert step.forward.lock_timeout_ms == 600_000
    assert str(step.forward.hazards[0]).startswith("LOCK: SHARE UPDATE EXCLUSIVE on each partition in turn")


def test_drops_come_after_the_builds_that_take_over_unless_their_name_is_wanted() -> None:
    def change(kind: Kind, name: str) -> Change:
        index = IndexDef(schema="s", table="t", name=name, keys=(Key(column="a"),))
        current = None if kind == "create" else Index(definition=index.renamed("ix_before"), ddl="CREATE …")
        if kind == "drop":
            current = Index(definition=index, ddl="CREATE …")
        return Change(kind=kind, spec=None, definition=index, current=current)

    found = [change("drop", "ix_old"), change("create", "ix_new"), change("drop", "ix_a"), change("rename", "ix_a")]
    operations = index_operations(found)
    assert [(each.verb, each.index_name) for each in operations] == [
        ("drop_index_online", "ix_a"),
        ("rename_index", "ix_before"),
        ("build_index", "ix_new"),
        ("drop_index_online", "ix_old"),
    ]
    back = [each.reverse() for each in reversed(operations)]
    assert [type(each) for each in back] == [BuildIndexOp, DropIndexOnlineOp, RenameIndexOp, BuildIndexOp]


def test_builds_of_several_tables_share_a_block_and_those_of_one_table_do_not() -> None:
    def on(table: str, name: str) -> BuildIndexOp:
        return BuildIndexOp(name, table, schema="s", sql=f"CREATE INDEX {name} ON s.{table} (a)", lock_timeout="10min")

    first, second, third = on("t", "ix_a"), on("t", "ix_b"), on("u", "ix_c")
    drop = first.reverse()
    assert beside_each_other([first, second, drop, third]) == (first, second, drop, third)
    once = beside_each_other([drop, first, second, third, drop])
    assert [type(each) for each in once] == [DropIndexOnlineOp, SideBySideBuilds, DropIndexOnlineOp]
    assert beside_each_other(once) == once
    body = ast.parse("\n".join(render_operation(each) for each in once)).body
    block = body[1]
    assert isinstance(block, ast.With)
    assert ast.unparse(block.items[0]) == "op.side_by_side()"
    assert [ast.unparse(each).split(",")[0] for each in block.body] == [
        f"op.build_index('{name}'" for name in ("ix_a", "ix_b", "ix_c")
    ]


def test_creations_follow_each_other() -> None:
    def change(kind: Kind, name: str) -> Change:
        index = IndexDef(schema="s", table=f"t_{name}", name=name, keys=(Key(column="a"),))
        current = None if kind == "create" else Index(definition=index, ddl="CREATE INDEX …")
        return Change(kind=kind, spec=None, definition=index, current=current)

    found = [change("create", "a"), change("replace", "b"), change("create", "c"), change("rename", "d")]
    assert [each.verb for each in index_operations(found)] == [
        "rename_index", "build_index", "build_index", "replace_index",
    ]  # fmt: skip


def test_nothing_undoes_a_rebuilding_and_the_revision_says_so() -> None:
    operation = ReindexIndexOp("ix", "t", schema="s", sql="REINDEX INDEX CONCURRENTLY s.ix", lock_timeout="10min")
    back = operation.reverse()
    assert render_operation(back) == ("pass  # op.reindex_index of ix changes no definition, so nothing undoes it")
    assert back.reverse() is operation


def keyword(rendered: str, name: str) -> str:
    """Return the source of one keyword argument of a rendered operation."""
    (call,) = ast.parse(rendered).body
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    return ast.unparse(next(each.value for each in call.value.keywords if each.arg == name))


def exists(name: str, *columns: str, target: int | None = None) -> ExistingStatistics:
    definition = StatisticsDef(schema="s", table="t", name=name, columns=columns, target=target)
    return ExistingStatistics(definition=definition, ddl=definition.ddl(), table_schema="s")


def test_the_steps_of_a_tables_statistics_end_with_one_analyze_in_each_direction() -> None:
    def change(kind: Kind, name: str, current: ExistingStatistics | None) -> Change:
        wanted = StatisticsDef(schema="s", table="t", name=name, columns=("a", "b"), target=9)
        definition = current.definition if kind == "drop" and current is not None else wanted
        return Change(kind=kind, spec=None, definition=definition, current=current)

    found = [
        change("create", "st_new", None),
        change("drop", "st_gone", exists("st_gone", "a", "c")),
        change("rename", "st_after", exists("st_before", "a", "b", target=9)),
        change("replace", "st_other", exists("st_other", "b", "c")),
        change("alter", "st_target", exists("st_target", "a", "b")),
    ]
    operations = operations_of(found, deparse=None)
    assert verbs(operations) == [
        ("rename_statistics", "st_before"),
        ("alter_statistics", "st_target"),
        ("create_statistics", "st_new"),
        ("replace_statistics", "st_other"),
        ("drop_statistics", "st_gone"),
        ("analyze_table", "t"),
    ]
    back = reversed_(operations)
    assert verbs(back) == [
        ("create_statistics", "st_gone"),
        ("replace_statistics", "st_other"),
        ("drop_statistics", "st_new"),
        ("alter_statistics", "st_target"),
        ("rename_statistics", "st_after"),
        ("analyze_table", "t"),
    ]
    text = "\n".join(render_operation(each) for each in operations)
    calls = [ast.unparse(each).split("(")[0] for each in ast.parse(text).body]
    assert calls == [f"op.{verb}" for verb, _ in verbs(operations)]


def test_the_statistics_of_an_expression_are_filled_in_the_direction_that_makes_the_index() -> None:
    plain = IndexDef(schema="s", table="t", name="ix", keys=(Key(column="a"),))
    expression = replace(plain, keys=(Key(column="a"), Key(expression="lower(b)")))
    for wanted, current, forward, back in (
        (expression, None, ["build_index", "analyze_table"], ["drop_index_online"]),
        (plain, None, ["build_index"], ["drop_index_online"]),
        (expression, plain, ["replace_index", "analyze_table"], ["replace_index"]),
        (plain, expression, ["replace_index"], ["replace_index", "analyze_table"]),
    ):
        existing = None if current is None else Index(definition=current, ddl=current.ddl())
        change = Change(kind="create" if current is None else "replace", spec=None, definition=wanted, current=existing)
        operations = operations_of([change], deparse=None)
        assert [verb for verb, _ in verbs(operations)] == forward
        assert [verb for verb, _ in verbs(reversed_(operations))] == back


def reversed_(operations: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    """Return what undoes operations, as Alembic does."""
    return [each.reverse() for each in reversed(operations)]


def verbs(operations: Sequence[MigrateOperation]) -> list[tuple[str, str]]:
    flat = [inner for each in operations for inner in (each.ops if isinstance(each, TableOperations) else [each])]
    return [(each.verb, each.name) for each in flat if isinstance(each, ObjectOperation)]


def test_what_is_only_dropped_or_renamed_needs_no_analyze() -> None:
    current = exists("st", "a", "b")
    drop = Change(kind="drop", spec=None, definition=current.definition, current=current)
    renaming = Change(kind="rename", spec=None, definition=current.definition.renamed("st_new"), current=current)
    for change, verb in ((drop, "drop_statistics"), (renaming, "rename_statistics")):
        assert verbs(operations_of([change], deparse=None)) == [(verb, "st")]


def test_every_action_of_a_step_is_an_operation() -> None:
    assert set(get_args(Verb)) <= set(OPERATIONS)
    for verb, operation in OPERATIONS.items():
        assert operation.verb == verb
        assert callable(getattr(Operations, verb))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ON a, (c || 'x  y'::text) FROM s.t", "ON a, (c || 'x y'::text) FROM s.t", False),
        ('ON a, "E  f" FROM s.t', 'ON a, "E f" FROM s.t', False),
        ("(mcv)  ON a,\n b FROM s.t", "(mcv) ON a, b FROM s.t", True),
    ],
)
def test_definitions_of_statistics_differ_by_what_is_in_quotes_not_by_spaces(
    one: str, other: str, *, same: bool
) -> None:
    bodies = {printed_body(f"CREATE STATISTICS s.st {text}") for text in (one, other)}
    assert (len(bodies) == 1) == same
