"""Turn the indexes that can be dropped into documents and specs."""

from collections.abc import Sequence
from pathlib import Path

from analyzer.advise.kept_indexes import ScanCounts
from analyzer.advise.proposal import Advice
from analyzer.advise.retirement import Retirement
from analyzer.documents import proposals
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef
from analyzer.specs.file import NewSpec, append_specs, change_specs
from analyzer.sql import render_text


def retirement_document(
    retirement: Retirement, statements: tuple[proposals.HelpedStatement, ...], advice: Advice, snapshot: Snapshot
) -> proposals.Retirement:
    """Put what can be dropped into the document of `twindex propose`, with the statements that it changes.

    PostgreSQL neither drops nor builds the index of a partitioned table concurrently.
    """
    index, size = retirement.index.definition, retirement.size_bytes
    sizes = {each.built.index.full_name: each.built.size_bytes for each in advice.proposals}
    stand_in = retirement.stand_ins[0] if retirement.because == "replaced" else None
    relation = snapshot.relation(*index.full_table)
    concurrently = relation is None or relation.kind != "p"
    new = sizes.get(stand_in.full_name) if stand_in is not None else None
    return proposals.Retirement(
        ddl=render_text("index/drop_index", schema=index.schema, name=index.name, concurrently=concurrently),
        downgrade_ddl=index.ddl(concurrently=concurrently),
        name=index.name,
        table=index.qualified_table,
        because=retirement.because,
        reason=retirement.reason,
        replaced_by=tuple(each.name for each in retirement.stand_ins),
        size_bytes=size,
        net_bytes=new - size if new is not None and size is not None else None,
        upkeep=retirement.upkeep,
        scans=retirement.scans.total,
        scans_by_server=tuple(
            proposals.ServerScans(server=name, scans=number) for name, number in retirement.scans.by_server.items()
        ),
        scans_since=ScanCounts(snapshot).since,
        cost_before=retirement.cost_before,
        cost_after=retirement.cost_after,
        statements=statements,
        caveats=retirement.caveats,
        declared=None if retirement.declared is None else retirement.declared.where,
    )


def replaced_by(index: IndexDef, advice: Advice) -> tuple[Retirement, ...]:
    """Return what a proposed index takes the place of."""
    return tuple(
        each
        for each in advice.retirements
        if each.because == "replaced" and each.stand_ins[0].full_name == index.full_name
    )


def extended(replaced: Sequence[Retirement]) -> str | None:
    """Return the index that a proposed one has but one column more than."""
    return next((each.index.definition.name for each in replaced if len(each.added) == 1), None)


def write_retirements(directory: Path, advice: Advice) -> tuple[Path, ...]:
    """Write each index that can be dropped into its table's file as a proposal to retire it; returns the files written.

    One that a spec declares is changed where it stands.
    """
    found = advice.retirements
    changed = {each.index.definition.full_name: _entry(each) for each in found if each.declared is not None}
    new = tuple(_new_spec(each, advice) for each in found if each.declared is None)
    written = change_specs(directory, changed) if changed else ()
    return (*written, *(append_specs(directory, new) if new else ()))


def _entry(retirement: Retirement) -> dict[str, object]:
    stand_ins = [each.name for each in retirement.stand_ins]
    return {
        "state": "proposed",
        "change": "retire",
        "replaced_by": stand_ins or None,
        "reason": retirement.reason,
    }


def _new_spec(retirement: Retirement, advice: Advice) -> NewSpec:
    return NewSpec(
        definition=retirement.index.definition,
        reason=retirement.reason,
        change="retire",
        replaced_by=tuple(each.name for each in retirement.stand_ins),
        comment=retirement.index.comment,
        statistics=retirement.index.statistics_targets,
        evidence={
            "cost": [round(retirement.cost_before, 2), round(retirement.cost_after, 2)],
            "size_bytes": retirement.size_bytes,
            "scans": retirement.scans.total,
            "planner": advice.planner,
            "statements": [own.id for effect in retirement.effects for own in effect.item.statement.stands_for],
        },
    )
