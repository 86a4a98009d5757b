"""Build the index of a partitioned table without blocking its writers: one partition after the other.

PostgreSQL builds none concurrently there. The parent's index is made ON ONLY it and is INVALID; each partition's is
built concurrently and attached, one that matches is attached as it is, and with the last one the parent's is valid.
Every round reads the catalog again: it goes on from wherever an earlier attempt ended, and takes in new partitions.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.migrate.deploy import preflight
from analyzer.migrate.deploy.build import conflict, ensure, render_like, settled, sweep, tell_built
from analyzer.migrate.deploy.catalog import State, Table, read_indexes, read_state, read_table, same
from analyzer.migrate.deploy.create_index import parse_create, parts_of_create, tablespace_of, without_tablespace
from analyzer.migrate.deploy.deployment import Deploy
from analyzer.migrate.deploy.driver import plain
from analyzer.migrate.deploy.next_action import Action, decide
from analyzer.migrate.deploy.session import LOG, execute, row, rows, transaction
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.objects.temporary_names import partition_names
from analyzer.sql import ident, render_text

_FINISH = "run alembic again to continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A table of a partition tree, the root included."""

    oid: int
    schema_name: str
    name: str
    #: `relkind`: p partitioned, r table, f foreign table.
    kind: str
    #: None for the root.
    parent_oid: int | None
    level: int


def ensure_partitioned(deploy: Deploy, target: Target, table: Table, *, comment: str | None = None) -> bool:
    """Make the index of a partitioned table exist, valid; False when its build is postponed.

    A new index is given `comment` in the transaction that makes it. Raises DeployError as `build.ensure` does.
    """
    state = settled(deploy, target)
    match decide(state, lambda found: same(deploy.connection, target, found)):
        case Action.SKIP:
            LOG.info("%s is there already", target.qualified_name)
            return True
        case Action.REPLACE if state is not None:
            raise conflict(target, state)
        case Action.COMPLETE:
            LOG.warning("%s is incomplete after an earlier attempt; continuing", target.qualified_name)
        case _:
            if not preflight.ready(deploy, target):
                return False
            _refuse_foreign_tables(deploy, target, table)
            _create_parent(deploy, target, comment)
            _tell_others(deploy, target, table)
    started = time.monotonic()
    while tuple(_round(deploy, target, table)):
        pass
    built = read_state(deploy.connection, target)
    if built is None or not built.valid:
        raise DeployError(
            f"{target.qualified_name} is not valid though every partition has its part; look for an INVALID one among "
            f"them, REINDEX INDEX CONCURRENTLY it, or drop {target.qualified_name} and {_FINISH}"
        )
    tell_built(target, time.monotonic() - started)
    return True


def _create_parent(deploy: Deploy, target: Target, comment: str | None) -> None:
    what = f"creating {target.qualified_name}"
    if tablespace_of(target.sql) == row(deploy.connection, "read_own_tablespace")["tablespace"]:
        target = replace(target, sql=without_tablespace(target.sql))  # PostgreSQL accepts no name of it here
    sql = render_like(target, concurrently=False, only=True)

    def step() -> None:
        with transaction(deploy.connection):
            execute(deploy.connection, sql, failed=f"{what} failed", remedy=_FINISH)
            if comment is not None:
                statement = render_text("index/comment", schema=target.schema, name=target.name, comment=comment)
                plain(deploy.connection, statement)

    deploy.short(step, what=what)


def _tell_others(deploy: Deploy, target: Target, table: Table) -> None:
    """Warn of indexes of partitions that are going to be parts of a new index, whose fate they then share."""
    whole = read_state(deploy.connection, target)
    if whole is None:
        return
    tree = [Node(**each) for each in rows(deploy.connection, "read_partitions", table=table.oid)]
    for state in read_indexes(deploy.connection, [node.oid for node in tree]):
        if state.oid != whole.oid and (state.valid or state.partitioned) and _matches(state, whole):
            own, parent = state.qualified_name, whole.qualified_name
            LOG.warning("%s becomes a part of %s, and is dropped with it, in a downgrade too", own, parent)


def _round(deploy: Deploy, target: Target, table: Table) -> Iterator[str]:
    """Give every partition that lacks its part one; yield what was done."""
    tree = tuple(Node(**each) for each in rows(deploy.connection, "read_partitions", table=table.oid))
    root = read_state(deploy.connection, target)
    if root is None:
        raise DeployError(f"{target.qualified_name} was dropped during its build; {_FINISH}")
    yield from _complete(deploy, target, tree, root)


def _complete(deploy: Deploy, target: Target, tree: Sequence[Node], whole: State) -> Iterator[str]:
    """Attach to a partitioned index the parts it lacks, each when it is complete itself.

    Completing what is attached already would take ACCESS EXCLUSIVE on the table above, where PostgreSQL then looks.
    """
    for node in tree:
        if node.parent_oid != whole.table_oid:
            continue
        found = read_indexes(deploy.connection, [node.oid])
        part = next((state for state in found if state.parent_oid == whole.oid), None)
        attached = part is not None
        if part is None:
            part = _match_or_build(deploy, target, node, whole, found)
        if part is None:
            yield node.name  # it is no partition any more
        elif node.kind == "p":
            yield from _complete(deploy, target, tree, part)
        elif attached and not part.valid:
            yield from _repair(deploy, target, part)
        if part is not None and not attached:
            yield from _attach(deploy, whole, part)


def rebuild_parts(deploy: Deploy, target: Target, table: Table, whole: State) -> None:
    """Rebuild the index of each partition, one after the other.

    REINDEX of the partitioned index would first take SHARE on all of them: it waits for every writer, and new writers
    wait for it.
    """
    tree = tuple(Node(**each) for each in rows(deploy.connection, "read_partitions", table=table.oid))
    for part in _leaves(deploy, tree, whole):
        _rebuild(deploy, target, part)


def _leaves(deploy: Deploy, tree: Sequence[Node], whole: State) -> Iterator[State]:
    for node in tree:
        if node.parent_oid != whole.table_oid:
            continue
        for part in read_indexes(deploy.connection, [node.oid]):
            if part.parent_oid == whole.oid:
                yield from _leaves(deploy, tree, part) if part.partitioned else (part,)


def _repair(deploy: Deploy, target: Target, part: State) -> Iterator[str]:
    """Rebuild an INVALID index that cannot be dropped, because it is attached."""
    _rebuild(deploy, target, part)
    yield part.name


def _rebuild(deploy: Deploy, target: Target, part: State) -> None:
    sql = render_text("online/reindex_index", schema=part.schema, name=part.name)
    deploy.build(
        sql, what=f"rebuilding {part.qualified_name}", remedy=_FINISH,
        clear=lambda: sweep(deploy, target, read_table(deploy.connection, target)),
    )  # fmt: skip


def _attach(deploy: Deploy, whole: State, part: State) -> Iterator[str]:
    sql = render_text(
        "online/attach_index",
        schema=whole.schema, name=whole.name, partition_schema=part.schema, partition_name=part.name,
    )  # fmt: skip
    deploy.short_sql(sql, what=f"attaching {part.qualified_name}", remedy=_FINISH)
    yield part.name


def _match_or_build(deploy: Deploy, target: Target, node: Node, whole: State, found: Sequence[State]) -> State | None:
    """Return an index of a partition that can be attached, else a new one; None if the partition no longer exists."""
    alike = tuple(state for state in found if _matches(state, whole))
    part = next((state for state in alike if state.valid or state.partitioned), None)
    return part or _built(deploy, target, node, whole, {state.name: state for state in alike})


def _matches(state: State, parent: State) -> bool:
    """Tell whether an index that is not attached yet can be attached to a parent."""
    if state.parent_oid is not None or state.constraint_name is not None or state.definition is None:
        return False
    same_place = state.tablespace == parent.tablespace
    return same_place and parts_of_create(state.definition) == parts_of_create(parent.definition or "")


def _built(deploy: Deploy, target: Target, node: Node, parent: State, invalid: Mapping[str, State]) -> State | None:
    """Build the part of one partition, by the name PostgreSQL itself would choose; None when the partition is gone."""
    part = _part(deploy, target, node, parent, invalid)
    if node.kind == "p":
        sql = render_like(part, concurrently=False, only=True)
        deploy.short_sql(sql, what=f"creating {part.qualified_name}", remedy=_FINISH)
    elif node.kind == "f":
        raise _foreign_table(target, node)
    else:
        ensure(deploy, part, part=True)
    return read_state(deploy.connection, part)


def _part(deploy: Deploy, target: Target, node: Node, parent: State, invalid: Mapping[str, State]) -> Target:
    """Choose the name: the first that is free, or that an earlier attempt's INVALID index of this definition has."""
    columns = tuple(each["name"] for each in rows(deploy.connection, "read_index_columns", index=parent.oid))
    for name in partition_names(node.name, columns):
        part = replace(
            target, schema=node.schema_name, table=node.name, name=name, definition=None, attributes=(),
            sql=_for_partition(target, node, name, parent),
        )  # fmt: skip
        state = invalid.get(name) or read_state(deploy.connection, part)
        if state is None or name in invalid:
            return part
    raise AssertionError  # names do not end


def _for_partition(target: Target, node: Node, name: str, parent: State) -> str:
    """Write the parent's statement for a partition, as the server printed it: the literal may qualify columns."""
    create, printed = parse_create(target.sql), parse_create(parent.definition or "")
    if create is None or printed is None:
        raise DeployError(f"{target.qualified_name}: its SQL is not a CREATE INDEX statement; fix the revision")
    return render_text(
        "online/create_like",
        unique=create.unique, concurrently=node.kind != "p", only=False, name=name,
        schema=node.schema_name, table=node.name,
        rest=printed.rest if parent.tablespace is None else create.rest,
    )  # fmt: skip


def _refuse_foreign_tables(deploy: Deploy, target: Target, table: Table) -> None:
    for each in rows(deploy.connection, "read_partitions", table=table.oid):
        node = Node(**each)
        if node.kind == "f":
            raise _foreign_table(target, node)


def _foreign_table(target: Target, node: Node) -> DeployError:
    return DeployError(
        f"{ident(node.schema_name, node.name)} is a foreign table, which has no index, so {target.qualified_name} "
        "would never be valid; declare an index for each other partition instead"
    )
