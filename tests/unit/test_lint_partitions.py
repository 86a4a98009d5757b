"""TX116: a foreign table among the partitions keeps the index of the whole table INVALID."""

from pathlib import Path

import pytest

from analyzer.catalog import Catalog
from analyzer.checks.registry import RULES
from analyzer.checks.rule import Known, Subject, Violation
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import IndexDef, Key
from analyzer.specs.tolerant import load_sources
from tests.unit.catalogs import snapshot, table


def relation(name: str, kind: str, parent: str | None = None) -> Relation:
    parents = (("public", parent),) if parent is not None else ()
    return table(name, "id int").model_copy(update={"kind": kind, "parents": parents})


def hits(directory: Path, *relations: Relation) -> list[str]:
    (directory / "p.yaml").write_text("table: public.p\nindexes:\n  - {name: ix, keys: [id]}\n")
    ((entry,),) = (source.entries for source in load_sources([directory]))
    index = IndexDef(schema="public", table="p", name="ix", keys=(Key(column="id"),))
    known = Known(catalog=Catalog(snapshot(*relations)))
    answers = RULES["TX116"].check(Subject(entry=entry, index=index, known=known))
    return [answer.message for answer in answers if isinstance(answer, Violation)]


@pytest.mark.parametrize(
    ("relations", "named"),
    [
        ((("p", "p", None), ("p_1", "r", "p"), ("far", "f", "p")), "public.far"),
        ((("p", "p", None), ("p_1", "p", "p"), ("p_1_far", "f", "p_1")), "public.p_1_far"),
        ((("p", "p", None), ("p_1", "r", "p"), ("far", "f", None)), None),
        ((("p", "r", None), ("far", "f", "p")), None),
    ],
)
def test_a_foreign_table_below_a_partitioned_one_is_found(
    tmp_path: Path, relations: tuple[tuple[str, str, str | None], ...], named: str | None
) -> None:
    found = hits(tmp_path, *(relation(*each) for each in relations))
    assert [message.split(" ")[0] for message in found] == ([named] if named is not None else [])
