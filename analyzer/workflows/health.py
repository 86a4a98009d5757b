"""Say what is wrong with a database by what its server holds and counted."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from analyzer.catalog import Catalog
from analyzer.checks.health import examine_health
from analyzer.checks.health_rule import Database
from analyzer.checks.registry import HEALTH_RULES
from analyzer.config import Config
from analyzer.documents.admission import breach
from analyzer.documents.findings import FindingsDocument, SpecFinding
from analyzer.documents.report import Report
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef
from analyzer.progress import Progress, silent
from analyzer.specs.file import SpecSet
from analyzer.specs.table_patterns import expanded, tables_of
from analyzer.workload.log_workload import recorded_workload
from analyzer.workload.statement import Workload


def health(
    snapshot: Snapshot,
    specs: SpecSet,
    config: Config,
    *,
    workload: Workload | None = None,
    progress: Progress = silent,
) -> FindingsDocument:
    """Examine a database with the thresholds and suppressions of the project, and the workload if it is read already.

    Raises InputError for a threshold or a suppression that names nothing.
    """
    progress("health")
    workload, expanded_specs = workload or recorded_workload(snapshot), expanded(specs, tables_of(snapshot))
    recorded = bool(workload.statements or workload.identities)
    database = Database(
        catalog=Catalog(snapshot),
        thresholds=_thresholds(config),
        workload=workload if recorded else None,
        declared=tuple(_declared(expanded_specs)),
    )
    found = examine_health(database, expanded_specs, config.suppressions, today=dt.datetime.now(tz=dt.UTC).date())
    return FindingsDocument(
        command="check --health",
        basis=f"database {snapshot.server.database}",
        objects=found.objects,
        findings=found.findings,
        suppressed=found.suppressed,
        checks=found.checks,
        not_examined=snapshot.not_examined,
    )


def with_health(report: Report, found: FindingsDocument) -> Report:
    """Return a report with these findings beside its own, in its order."""
    values = dict(report) | {
        "findings": (*report.findings, *found.findings),
        "checks": (*report.checks, *found.checks),
    }
    return Report.model_validate(values)


def _declared(specs: SpecSet) -> Iterator[IndexDef]:
    for each in specs.indexes:
        if each.spec.state == "approved":
            yield each.spec.definition(each.schema, each.table, None)


def read_findings(text: str, path: Path) -> FindingsDocument:
    """Read an earlier document of findings, JSON; raises InputError for anything else."""
    try:
        return FindingsDocument.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{path} has no findings of twindex ({breach(error)}); write it with --format json") from None


def new_since(document: FindingsDocument, base: FindingsDocument) -> tuple[SpecFinding, ...]:
    """Return the findings that an earlier document does not have, open or suppressed."""
    known = {each.fingerprint for each in (*base.findings, *base.suppressed)}
    return tuple(each for each in document.findings if each.fingerprint not in known)


def _thresholds(config: Config) -> dict[str, float]:
    given = {f"{rule}.{name}": value for rule, names in config.thresholds.items() for name, value in names.items()}
    known = {each.name for rule in HEALTH_RULES.values() for each in rule.thresholds}
    if unknown := sorted(given.keys() - known):
        raise InputError(
            f"[tool.twindex] thresholds.{unknown[0]}: no rule has such a threshold; twindex explain RULE shows them"
        )
    codes = {name for rule in HEALTH_RULES.values() for name in (rule.code, rule.name)}
    for each in config.suppressions:
        if each.code not in codes:
            raise InputError(
                f"[tool.twindex] suppressions: there is no rule {each.code} about databases; twindex explain lists them"
            )
    return given
