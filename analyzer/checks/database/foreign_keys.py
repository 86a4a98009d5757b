"""Foreign keys that slow down writes of the table they refer to."""

from collections.abc import Iterator, Mapping

from analyzer.advise.candidates import name_of
from analyzer.advise.foreign_keys import Uncovered, covers_foreign_key, is_covered
from analyzer.amounts import plural
from analyzer.catalog import Catalog, type_name
from analyzer.checks.database.remedies import create, free_name
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import Constraint, Index, Relation
from analyzer.sql import Sql, ident

_LEAST_ROWS = Threshold(
    name="foreign-key-without-index.rows", default=1_000, unit="rows", meaning="smaller tables are not reported"
)
_ACTIONS: Mapping[str | None, str] = {"c": "cascades", "n": "sets it NULL", "d": "sets its default"}
#: By bare name, from the smallest; their operator family compares each with each.
_INTEGERS = ("smallint", "integer", "bigint")


def _foreign_keys(catalog: Catalog) -> Iterator[tuple[Sql, Relation, Constraint]]:
    """Yield each foreign key once, that of a partitioned table, or to one, for all partitions."""
    for relation in sorted(catalog.snapshot.relations, key=lambda each: each.full_name):
        for constraint in relation.constraints:
            if constraint.kind == "f" and not constraint.inherited:
                yield ident(*relation.full_name), relation, constraint


def without_index(database: Database) -> Iterator[Answer]:
    """Flag a foreign key whose rows no index finds, so that a delete in the other table reads all of its table."""
    catalog, least = database.catalog, database.value(_LEAST_ROWS)
    for name, relation, constraint in _foreign_keys(catalog):
        rows = catalog.rows(relation)
        if constraint.cast_columns:
            yield Skipped(object=name, reason="its columns are cast to the type that it refers to; TX503 reports it")
        elif is_covered(relation, constraint, catalog):
            yield Fine(object=name)
        elif (declared := _declared(relation, constraint, database)) is not None:
            yield Skipped(object=name, reason=f"{declared} is declared for it, and waits for its revision")
        elif catalog.indexed_rows(*relation.full_name) is None:
            yield Skipped(object=name, reason="the table was never analyzed, so that its size is not known")
        elif rows < least:
            yield Fine(object=name)
        else:
            yield _uncovered(name, relation, constraint, database)


def _declared(relation: Relation, constraint: Constraint, database: Database) -> str | None:
    """Return the name of an approved index that finds the rows of a foreign key once it is deployed."""
    of_table = (each for each in database.declared if each.full_table == relation.full_name)
    found = (each for each in of_table if covers_foreign_key(constraint, [Index(definition=each, ddl="")]))
    return next((each.qualified_name for each in found), None)


def _uncovered(name: Sql, relation: Relation, constraint: Constraint, database: Database) -> Flagged:
    catalog = database.catalog
    parent = catalog.find(constraint.referenced_schema, constraint.referenced_table or "")
    activity = parent.activity if parent is not None else None
    deleted = activity.rows_deleted if activity is not None else None
    referenced = ident(constraint.referenced_schema or "", constraint.referenced_table or "")
    action = _ACTIONS.get(constraint.on_delete)
    rows = catalog.rows(relation)
    index = Uncovered(relation=relation, constraint=constraint).index
    index = index.renamed(free_name(name_of(index), relation, catalog))
    leading = any(
        each.valid and each.definition.where is None and each.definition.keys[0].column in constraint.columns
        for each in catalog.indexes(relation)
    )
    meets = f", and {action}" if action else ""
    was = "was" if deleted == 1 else "were"
    known = "" if deleted is None else f"; {plural(deleted, 'row')} {was} deleted there since the counters began"
    return Flagged(
        object=name,
        part=constraint.name,
        message=f"foreign key {constraint.name} has no index: a delete in {referenced} reads all {rows:,.0f} rows"
        f"{meets}{known}",
        severity="info" if leading or not deleted else None,
        evidence=(
            Fact(name="constraint", value=constraint.name),
            Fact(name="columns", value=", ".join(constraint.columns)),
            Fact(name="rows", value=round(rows), unit="rows"),
            *((Fact(name="deleted_in_referenced", value=deleted, unit="rows"),) if deleted is not None else ()),
        ),
        caveats=(
            *(("an index begins with one of its columns, which may be enough",) if leading else ()),
            *(("nothing was deleted in the referenced table in the window",) if deleted == 0 else ()),
        ),
        remedy=create(index) if relation.kind != "p" else None,
        rewrite=f"declare {index.name} on ({', '.join(constraint.columns)}) and run twindex revise",
    )


def other_type(database: Database) -> Iterator[Answer]:
    """Flag a foreign key whose columns are of other types than those that they refer to."""
    catalog = database.catalog
    for name, relation, constraint in _foreign_keys(catalog):
        parent = catalog.find(constraint.referenced_schema, constraint.referenced_table or "")
        if parent is None:
            yield Skipped(object=name, reason="the table that the foreign key refers to was not captured")
            continue
        pairs = zip(constraint.columns, constraint.referenced_columns, strict=False)
        different = [
            (mine, own, theirs, other)
            for mine, theirs in pairs
            if (own := _type(mine, relation, catalog)) != (other := _type(theirs, parent, catalog))
        ]
        if not different:
            yield Fine(object=name)
            continue
        converted = constraint.cast_columns or ()
        mine, own, theirs, other = next((each for each in different if each[0] in converted), different[0])
        cast = mine in converted
        narrow = own in _INTEGERS and other in _INTEGERS and _INTEGERS.index(own) < _INTEGERS.index(other)
        yield Flagged(
            object=name,
            part=constraint.name,
            severity="warning" if narrow or cast else None,
            message=f"foreign key {constraint.name}: {ident(mine)} is {own}, and {ident(theirs)} of "
            f"{ident(*parent.full_name)} is {other}"
            + (": its values run out before those it refers to" if narrow else "")
            + (": it is cast to compare the two, so that no index on it finds the rows of a delete" if cast else ""),
            evidence=(Fact(name="type", value=own), Fact(name="referenced_type", value=other)),
        )


def _type(column: str, relation: Relation, catalog: Catalog) -> str:
    found = relation.column(column)
    return type_name(catalog.underlying(found.type)) if found is not None else ""


RULES = (
    HealthRule(
        code="TX502", name="foreign-key-without-index", severity="warning", title="foreign key has no index",
        examine=without_index, thresholds=(_LEAST_ROWS,),
    ),
    HealthRule(
        code="TX503", name="foreign-key-type", severity="info",
        title="foreign key and the key that it refers to are of different types", examine=other_type,
    ),
)  # fmt: skip
