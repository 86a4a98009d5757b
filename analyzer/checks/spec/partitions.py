"""TX116 to TX119: partitions, and indexes that belong to something else."""

from collections.abc import Iterator

from analyzer.checks.rule import NEEDS_TABLE, Answer, Rule, Subject, Violation
from analyzer.sql import ident


def _foreign_partition(subject: Subject) -> Iterator[Answer]:
    if subject.known is None:
        yield NEEDS_TABLE
        return
    if subject.relation is None or subject.existing is not None:
        return
    below = subject.known.catalog.partitions(subject.relation)
    foreign = sorted((each.schema_name, each.name) for each in below if each.kind == "f")
    if foreign:
        first = ident(*foreign[0])
        yield Violation(
            message=f"{first} is a partition of {subject.index.qualified_table} and a foreign table: it has no index, "
            "so the one of the whole table, built partition by partition, would never be valid",
            rewrite="declare the index for each other partition, and on the server of the foreign table",
        )


def _partition_key(subject: Subject) -> Iterator[Answer]:
    if subject.index.unique and subject.known is None:
        yield NEEDS_TABLE
    elif subject.index.unique and subject.relation is not None and subject.relation.partition_key is not None:
        key = subject.relation.partition_key.partition("(")[2].removesuffix(")")
        columns = [part.strip().split(" ")[0].strip('"') for part in key.split(",")]
        if "(" not in key and (missing := [name for name in columns if name not in subject.index.columns]):
            rewrite = f"add {', '.join(missing)} to the keys, or make a unique index on each partition"
            message = f"a unique index on a partitioned table needs its partition key, {', '.join(missing)}, as a key"
            yield Violation(message=message, at=("keys",), rewrite=rewrite)


def _attached(subject: Subject) -> Iterator[Answer]:
    if subject.known is None:
        yield NEEDS_TABLE
        return
    found = subject.existing
    if found is not None and found.parent is not None:
        parent = ".".join(found.parent)
        yield Violation(
            message=f"{subject.index.qualified_name} is a part of {parent}: it cannot be dropped or differ alone",
            at=("name",),
            rewrite=f"declare {parent} for the partitioned table and remove this spec",
        )


def _constraint(subject: Subject) -> Iterator[Answer]:
    if subject.known is None:
        yield NEEDS_TABLE
        return
    found = subject.existing
    timing = subject.spec.timing
    if found is not None and found.constraint is not None and (timing is None or found.unique_constraint is None):
        unique = ", or write unique: constraint" if found.unique_constraint is not None else ""
        yield Violation(
            message=f"{subject.index.qualified_name} belongs to the constraint {found.constraint}, which owns it",
            at=("name",),
            rewrite=f"remove the spec; the constraint is the model's to declare{unique}",
        )
    if timing is not None and found is None and subject.relation is not None and subject.relation.kind == "p":
        yield Violation(
            message=f"{subject.index.qualified_table} is partitioned: PostgreSQL adds no constraint to it by an index",
            at=("unique",),
            rewrite="write unique: true, which enforces the same",
        )


RULES = (
    Rule(
        code="TX116", name="foreign-table-partition", aliases=("foreign-partition",), severity="error",
        title="partitioned table has a foreign table as a partition", check=_foreign_partition,
    ),
    Rule(
        code="TX117", name="unique-without-partition-key", severity="error",
        title="unique index on a partitioned table lacks a column of the partition key", sqlstates=("0A000",),
        check=_partition_key, decided_by_server=True,
    ),
    Rule(
        code="TX118", name="attached-index", severity="error",
        title="index is attached to the index of a partitioned table", sqlstates=("2BP01", "42P17"), check=_attached,
    ),
    Rule(
        code="TX119", name="constraint-index", severity="error",
        title="index backs a constraint", sqlstates=("2BP01", "42809"), check=_constraint,
    ),
)  # fmt: skip
