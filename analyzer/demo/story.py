"""The whole story on the embedded server: migrate, load, work, capture, propose, revise, upgrade, verify, report."""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alembic import command as alembic
from alembic.config import Config

from analyzer import config as settings
from analyzer.advise.proposal import Advice
from analyzer.console import logger
from analyzer.db import connect
from analyzer.demo import LEFT_OUT, data, workload
from analyzer.demo.project import copy_project, project_files
from analyzer.demo.rows import Scale
from analyzer.documents import snapshot as snapshots
from analyzer.documents.proposals import Built
from analyzer.documents.report import Report
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef
from analyzer.render.output import write
from analyzer.render.provenance import measured
from analyzer.specs.file import load_specs, set_state
from analyzer.sql import render
from analyzer.twin.server import cluster
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.server.connection import forget_variables
from analyzer.workflows.advice import report_document
from analyzer.workflows.capture import read_database
from analyzer.workflows.health import health, with_health
from analyzer.workflows.propose import propose, write_proposals
from analyzer.workflows.revise import revise
from analyzer.workflows.verify import compare
from analyzer.workload.parse import parse_statements

DATABASE = "platform"
#: The role that captures: it reads everything and writes nothing.
READER = "twindex_reader"
#: The schema is migrated first, the indexes after the load: building is cheaper than maintaining.
SCHEMA_REVISION = "0005"
_SEED = 1
#: Before it is measured, this part of the workload is run to warm the buffers that loads and builds left cold.
_WARM_UP = 4
#: The schema is ours: its twins may be built where the kernel cannot contain them.
_OURS = PlannerChoice(trust_schema=True)
#: A server as it is run on solid-state disks; nothing vacuums between the two runs but the demo itself.
_SERVER = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "512MB",
    "effective_cache_size": "4GB",
    "random_page_cost": "1.1",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "fsync": "off",
    "autovacuum": "off",
    "track_io_timing": "on",
}

#: Called with a stage and how much of it is done, 0 to 1; None when the stage cannot say.
Progress = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the demo leaves behind."""

    report: Report
    loaded: tuple[data.Loaded, ...]
    #: Each spec that was left out, with the proposal that stands in for it, or None.
    found: tuple[tuple[str, str | None], ...]
    files: tuple[Path, ...]


def tell(directory: Path, *, scale: Scale, progress: Progress) -> Outcome:
    """Run the demo in a directory; its cluster is kept there, in `.twindex/`, and stopped at the end."""
    forget_variables()
    progress("project", 0)
    copy_project(directory, leave_out=LEFT_OUT)
    with cluster.development(directory / ".twindex", settings=_SERVER) as running:
        url = _fresh_database(running)
        loaded = _prepare(directory, url, scale, progress)
        _work(url, scale, progress, "workload before")
        before = _capture(directory / "before.snapshot", running, progress)
        advice = _propose(directory, before, progress)
        built = _deploy(directory, running, progress)
        _work(url, scale, progress, "workload after")
        after = _capture(directory / "after.snapshot", running, progress)
        report = _report(before, after, advice, built, progress)
        checked = health(after, load_specs(directory / "index_specs"), settings.Config())
        report = with_health(report, checked)
    files = tuple(directory / f"report.{suffix}" for suffix in ("html", "md", "txt", "json"))
    write(report, files)
    progress("report", 1)
    return Outcome(report=report, loaded=loaded, found=_found(advice), files=files)


def _fresh_database(running: Cluster) -> str:
    with connect(running.url(), autocommit=True) as connection:
        connection.execute(render("twin/drop_database", database=DATABASE))
        if connection.execute(render("demo/role_exists"), {"role": READER}).fetchone() is None:
            connection.execute(render("demo/create_reader", role=READER))
        if running.binaries.major >= 15:
            connection.execute(render("demo/grant_track_counts", role=READER))
    running.ensure_database(DATABASE)
    return running.url(DATABASE)


def _prepare(directory: Path, url: str, scale: Scale, progress: Progress) -> tuple[data.Loaded, ...]:
    progress("migrate", 0)
    alembic.upgrade(_alembic(directory, url), SCHEMA_REVISION)
    progress("migrate", 1)
    total = data.total_rows(scale)
    done: dict[str, int] = {}

    def count(table: str, rows: int, _: int) -> None:
        done[table] = rows
        progress("load", sum(done.values()) / total)

    with connect(url) as connection:
        loaded = data.load(connection, scale=scale, seed=_SEED, progress=count)
    progress("indexes", None)
    alembic.upgrade(_alembic(directory, url), "head")
    progress("indexes", 1)
    return loaded


def _work(url: str, scale: Scale, progress: Progress, stage: str) -> None:
    """Run the same statements from the same state: vacuumed, analysed, the buffers warm, counters at zero."""
    progress(stage, 0)
    count = workload.COUNTS[scale]
    workload.run(url, scale=scale, seed=_SEED, count=count // _WARM_UP)
    with connect(url, autocommit=True) as connection:
        data.settle(connection)
        connection.execute(render("demo/reset_statements"))
    workload.run(url, scale=scale, seed=_SEED, count=count, progress=lambda done, all_: progress(stage, done / all_))


def _capture(path: Path, running: Cluster, progress: Progress) -> Snapshot:
    progress(f"capture {path.stem}", 0)
    url = running.url(DATABASE).replace(f"//{running.user}@", f"//{READER}@")
    snapshot = read_database(url)
    snapshots.dump(snapshot, path)
    progress(f"capture {path.stem}", 1)
    return snapshot


def _propose(directory: Path, before: Snapshot, progress: Progress) -> Advice:
    progress("twin and proposals", None)
    specs = directory / "index_specs"
    advice = propose(before, parse_statements(before), load_specs(specs), choice=_OURS).advice
    write_proposals(specs, advice)
    progress("twin and proposals", 1)
    return advice


def _deploy(directory: Path, running: Cluster, progress: Progress) -> dict[str, float]:
    """Approve what was proposed, as a DBA would, write the revision and run it; return each build's seconds."""
    progress("approve, revise, upgrade", None)
    specs, url = directory / "index_specs", running.url(DATABASE)
    known = [each.spec for each in load_specs(specs).indexes]
    proposed = [spec.name for spec in known if spec.state == "proposed" and spec.change is None]
    set_state(specs, proposed, "approved")
    config = _alembic(directory, url)
    snapshot = read_database(url, statements=False, allow_superuser=True)  # a server of our own
    revise(snapshot, load_specs(specs), config, message="proposed", choice=_OURS)
    log = _BuildLog()
    logger("analyzer.migrate").addHandler(log)
    logger("analyzer.migrate").setLevel(logging.INFO)
    try:
        alembic.upgrade(config, "head")
    finally:
        logger("analyzer.migrate").removeHandler(log)
    progress("approve, revise, upgrade", 1)
    return log.seconds


class _BuildLog(logging.Handler):
    """Collect how long each build took from what the executor logs."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a build that is finished."""
        facts = vars(record)
        if "built_index" in facts:
            self.seconds[str(facts["built_index"])] = float(facts["build_seconds"])


def _report(before: Snapshot, after: Snapshot, advice: Advice, seconds: dict[str, float], progress: Progress) -> Report:
    progress("report", 0)
    basis = "pg_stat_statements: mean execution time, the same statements with the same values before and after"
    verification = compare(before, after, basis=basis, choice=_OURS)
    built = {
        index.definition.name: Built(
            size_bytes=index.size_bytes, build_seconds=seconds.get(str(index.definition.qualified_name))
        )
        for index in after.indexes
    }
    return measured(report_document(advice, before), verification, built)


def _found(advice: Advice) -> tuple[tuple[str, str | None], ...]:
    """Name, for each spec that was left out, the proposal that begins as it does; another access method is said."""
    left_out = {spec.spec.name: spec for spec in load_specs(project_files() / "index_specs").indexes}
    found: list[tuple[str, str | None]] = []
    for name in LEFT_OUT:
        spec = left_out[name]
        wanted = spec.spec.definition(spec.schema, spec.table, None)
        alike = [proposal.built.index for proposal in advice.proposals if _alike(proposal.built.index, wanted)]
        alike.sort(key=lambda index: index.method != wanted.method)
        other = f" ({alike[0].method} instead of {wanted.method})" if alike and alike[0].method != wanted.method else ""
        found.append((name, f"{alike[0].name}{other}" if alike else None))
    return tuple(found)


def _alike(proposed: IndexDef, wanted: IndexDef) -> bool:
    same_table = (proposed.schema, proposed.table) == (wanted.schema, wanted.table)
    first, second = proposed.keys[0], wanted.keys[0]
    return same_table and first.column == second.column and (first.expression is None) == (second.expression is None)


def _alembic(directory: Path, url: str) -> Config:
    config = Config(directory / "alembic.ini", stdout=io.StringIO())
    config.attributes["url"] = url
    return config
