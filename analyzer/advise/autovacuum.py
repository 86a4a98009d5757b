"""Say when autovacuum vacuums and analyzes a table: by its own storage parameters, else by the server's settings."""

import math
from collections.abc import Iterable, Iterator, Mapping

from analyzer.documents.snapshot import Relation, Snapshot

#: PostgreSQL's own defaults, for a snapshot from before the settings were captured.
_DEFAULTS: Mapping[str, float] = {
    "autovacuum_vacuum_threshold": 50.0,
    "autovacuum_vacuum_scale_factor": 0.2,
    "autovacuum_analyze_threshold": 50.0,
    "autovacuum_analyze_scale_factor": 0.1,
}
_MOST = "autovacuum_vacuum_max_threshold"
_OFF = ("false", "off", "no", "0")


def vacuum_after(snapshot: Snapshot, relation: Relation) -> float:
    """Return the dead rows of a table from which on autovacuum vacuums it."""
    number = _sum(snapshot, relation, "vacuum")
    most = _setting(snapshot, relation, _MOST)  # since 18; -1 is no limit
    return min(number, most) if most is not None and most >= 0 else number


def analyze_after(snapshot: Snapshot, relation: Relation) -> float:
    """Return the changed rows of a table from which on autovacuum analyzes it."""
    return _sum(snapshot, relation, "analyze")


def is_off(snapshot: Snapshot, relation: Relation) -> bool:
    """Say whether autovacuum leaves a table alone but for the wraparound of transaction IDs."""
    server = snapshot.server.autovacuum or {}
    return is_off_for(relation) or server.get("autovacuum", "on").lower() in _OFF


def is_off_for(relation: Relation) -> bool:
    """Say whether autovacuum is off by a table's own storage parameter."""
    return _options(relation).get("autovacuum_enabled", "true").lower() in _OFF


def _sum(snapshot: Snapshot, relation: Relation, what: str) -> float:
    names = f"autovacuum_{what}_threshold", f"autovacuum_{what}_scale_factor"
    threshold, factor = (_setting(snapshot, relation, name, least=0.0) or 0.0 for name in names)
    return threshold + factor * max(relation.tuples, 0.0)


def _setting(snapshot: Snapshot, relation: Relation, name: str, *, least: float = -1.0) -> float | None:
    """Return a setting: of the table, else of the server, else the built-in default, if it has one."""
    texts = (_options(relation).get(name), (snapshot.server.autovacuum or {}).get(name), snapshot.settings.get(name))
    return next((value for value in _numbers(texts) if value >= least), _DEFAULTS.get(name))


def _numbers(texts: Iterable[str | None]) -> Iterator[float]:
    for text in texts:
        try:
            value = float(text) if text is not None else math.nan
        except ValueError:
            continue
        if math.isfinite(value):
            yield value


def _options(relation: Relation) -> Mapping[str, str]:
    return {name: value for name, _, value in (each.partition("=") for each in relation.parameters)}
