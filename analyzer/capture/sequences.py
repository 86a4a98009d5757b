"""Read the sequences, and how far they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.capture.reader import REFUSALS, Reader, name_of, refusal
from analyzer.capture.relations import Blocked
from analyzer.documents.snapshot import NotExamined, SequenceDef
from analyzer.postgres.identifiers import QualifiedName

#: Asked about in one question.
_TOGETHER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """Sequences without their last values."""

    sequences: tuple[SequenceDef, ...] = ()
    #: Of those that can be read, oid and fingerprint.
    fingerprints: Mapping[QualifiedName, tuple[int, int]]


def read_sequences(reader: Reader, blocked: Blocked) -> Sequences:
    """Read the sequences of users, and the fingerprints of those that the role can read."""
    rows = reader.printed("sequences", {"blocked": list(blocked.oids)}, what=lambda row: name_of("sequence", row))
    readable = {row["oid"]: QualifiedName(row["schema_name"], row["name"]) for row in rows if row["readable"]}
    prints = reader.rows("fingerprints", {"relations": list(readable)}, name=None)
    found = [
        each
        for row in rows
        for each in reader.record(name_of("sequence", row), SequenceDef, **{k: row[k] for k in row if k != "readable"})
    ]
    return Sequences(
        sequences=tuple(found),
        fingerprints={readable[row["oid"]]: (row["oid"], row["fingerprint"]) for row in prints},
    )


def with_last_values(reader: Reader, found: Sequences) -> tuple[tuple[SequenceDef, ...], tuple[NotExamined, ...]]:
    """Return the sequences with their last values, and those that could not be read."""
    names = list(found.fingerprints)
    gaps: list[NotExamined] = []
    values = {
        name: value
        for start in range(0, len(names), _TOGETHER)
        for name, value in _read(reader, names[start : start + _TOGETHER], gaps)
    }
    known = (QualifiedName(each.schema_name, each.name) for each in found.sequences)
    pairs = zip(known, found.sequences, strict=True)
    return tuple(each.model_copy(update=values.get(name, {})) for name, each in pairs), tuple(gaps)


def _read(
    reader: Reader, names: Sequence[QualifiedName], gaps: list[NotExamined]
) -> Iterator[tuple[QualifiedName, dict[str, object]]]:
    """Yield the values of some sequences; of several that cannot be read together, those of ever fewer."""
    try:
        rows = reader.rows_about(names, "last_values", sequences=[tuple(each) for each in names])
    except REFUSALS as error:
        if len(names) == 1:
            what = name_of("sequence", {"schema_name": names[0].schema, "name": names[0].name})
            gaps.append(NotExamined(what=what, reason=refusal(error)))
            return
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            yield from _read(reader, half, gaps)
        return
    for row in rows:
        last = row["last_value"] if row["called"] else None
        yield names[row["ordinal"]], {"called": row["called"], "last_value": last}
