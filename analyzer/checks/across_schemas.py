"""Say once what is found alike in several schemas of a pattern, and in which."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.documents.findings import Fingerprints, SpecFinding
from analyzer.postgres.identifiers import quote
from analyzer.postgres.schema_patterns import Schemas, is_pattern
from analyzer.sql import ident
from analyzer.visible import visible

_MOST_NAMED = 10


#: File and line.
Place = tuple[Path, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A finding, its fingerprint still to be given."""

    finding: SpecFinding
    #: What identifies it, besides its rule.
    identity: tuple[str, ...]
    #: Of what it is about; None where no spec is.
    place: Place | None
    schema: str = ""
    #: The schemas of a pattern that one is of.
    schemas: Schemas | None = None


def merged(found: Iterable[Found], places: Iterable[Place]) -> list[SpecFinding]:
    """Merge what is found of a pattern in several schemas and differs in those alone; other findings stay.

    `places` are those of all that was looked at, once for each schema.
    """
    counts: Counter[Place | None] = Counter(places)
    prints, findings = Fingerprints(), list[SpecFinding]()
    alike: dict[tuple[Place | None, SpecFinding], tuple[int, list[str]]] = {}
    for each in found:
        finding = each.finding
        if each.schemas is not None:
            finding = _general(finding, each.schema, each.schemas)
            position, schemas = alike.setdefault((each.place, finding), (len(findings), []))
            schemas.append(each.schema)
            if position < len(findings):
                continue
        key = prints.of(finding.code, *each.identity)
        findings.append(finding.model_copy(update={"fingerprint": key}))
    for (place, _), (position, schemas) in alike.items():
        message = f"{_where(schemas, counts[place])}{findings[position].message}"
        findings[position] = findings[position].model_copy(update={"message": message})
    return findings


def general_name(schema: str, schemas: Schemas | None, name: str) -> str:
    """Return a quoted, qualified name, with the pattern in place of the schema where there is one."""
    return ident(schema, name) if schemas is None else f"{_text(schemas)}.{quote(name)}"


def _text(schemas: Schemas) -> str:
    return ",".join(schemas.patterns)


def _general(finding: SpecFinding, schema: str, schemas: Schemas) -> SpecFinding:
    """Return a finding as it is in each schema."""
    own = re.compile(rf'(?<![\w"$.]){re.escape(quote(schema))}(?=\.[\w"])')
    texts = {name: getattr(finding, name) for name in ("message", "rewrite", "fix")}
    return finding.model_copy(
        update={name: own.sub(lambda _: _text(schemas), text) for name, text in texts.items() if text is not None}
    )


def _where(schemas: Sequence[str], count: int) -> str:
    """Say in which schemas something was found; nothing when the pattern matches none, which is what was found."""
    if count == 1 and is_pattern(schemas[0]):
        return ""
    if len(schemas) == count:
        return f"in each of {count} schemas: " if count > 1 else f"in schema {visible(schemas[0])}: "
    named = ", ".join(visible(quote(schema)) for schema in schemas[:_MOST_NAMED])
    more = f" and {len(schemas) - _MOST_NAMED} more" if len(schemas) > _MOST_NAMED else ""
    return f"in {len(schemas)} of {count} schemas, {named}{more}: "
