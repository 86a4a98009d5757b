"""Random schedules of deploys: what changes, who is in the way, how it is interrupted, and what holds nevertheless.

A seed gives one schedule, again and again. Blockers are transactions behind which nobody queues but the deploy, so
every wait of the readers and writers is the deploy's.
"""

import contextlib
import random
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from analyzer.db import connect
from tests.server.deploy_events import How, Orders, terminate
from tests.server.deploys import PARTITIONED, ROWS, Deploy, Host, Outcome, ended, held, new_project, run
from tests.server.spec_project import SCHEMA, Fact, SpecProject

#: The short budget, and what a slow machine adds to it.
BUDGET_SECONDS, SLACK_SECONDS = 5.0, 2.0
SMALL = """
INSERT INTO t SELECT n, n, n % 1000, 'x', n::text, '{}', now(), n::text FROM generate_series(1, 500) AS n;
CREATE TABLE other (a int);
INSERT INTO other VALUES (1);
ANALYZE t
"""
SCHEMAS = {"small": SCHEMA + SMALL, "large": SCHEMA + ROWS, "partitioned": SCHEMA + PARTITIONED}
#: Indexes that serve the question, and others; a definition each.
_SERVING = (
    "keys: [a]", "keys: [a], include: [{k}]", "keys: [a, {k}]", "keys: [a], with: {{fillfactor: 70}}",
    "keys: [{{column: a, order: desc}}], comment: wanted", "keys: [a, id], unique: {unique}",
)  # fmt: skip
_OTHERS = ("keys: [{k}, s]", "keys: [{{expression: lower(s)}}]", "keys: [id, s], where: id > 3", "keys: [{k}]")
_BLOCKERS = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT a FROM other",
    "BEGIN; SELECT a FROM {table} WHERE a = 7",
    "BEGIN; UPDATE {table} SET s = 'w' WHERE id = 3",
    "BEGIN; INSERT INTO other VALUES (2)",
)
_DDL = (
    "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS more int", "ANALYZE {table}", "VACUUM other",
    "CREATE INDEX IF NOT EXISTS theirs ON other (a)", "COMMENT ON TABLE {table} IS 'theirs'",
)  # fmt: skip
#: What of it no model knows, and Alembic would undo.
_UNDONE = ("ALTER TABLE {table} DROP COLUMN IF EXISTS more", "COMMENT ON TABLE {table} IS NULL")
_RUNNING = """
SELECT pid FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND state = 'active'
AND query ~ '^(CREATE (UNIQUE )?INDEX|DROP INDEX|ALTER INDEX|ANALYZE)' ORDER BY 1
"""
_LEFT = """
SELECT c.relname AS name FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
WHERE c.relname ~ '_cc(new|old)|_twindex_' OR NOT i.indisvalid
OR pg_catalog.obj_description(c.oid, 'pg_class') LIKE 'twindex:%'
UNION ALL SELECT 'advisory lock' FROM pg_catalog.pg_locks WHERE locktype = 'advisory'
AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) ORDER BY 1
"""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What readers and writers met."""

    over: threading.Event = field(default_factory=threading.Event)
    longest_seconds: float = 0.0
    without_index: list[str] = field(default_factory=list[str])

    def note(self, began: float) -> None:
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)


class Schedule:
    """One schedule: specs before and after, and disturbed runs before the undisturbed one."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.kind = self.chance.choice(sorted(SCHEMAS))
        self.table = "p" if self.kind == "partitioned" else "t"
        self.before, self.after = self._specs()

    def _specs(self) -> tuple[str, str]:
        facts = {"k": "k" if self.table == "p" else "b", "unique": str(self.table == "t").lower()}
        before, after = ([f"{{name: ix_a, {each.format(**facts)}}}"] for each in self.chance.sample(_SERVING, 2))
        used: set[str] = set()
        for number in range(self.chance.randrange(3)):
            name, (old, new) = f"ix_{number}", (each.format(**facts) for each in self.chance.sample(_OTHERS, 2))
            verb = self.chance.choice(("build", "retire", "replace", "rename"))
            if not used.isdisjoint((old, new)):
                continue  # of two alike, either may be the one that is renamed
            used |= {old, new}
            match verb:
                case "build":
                    after.append(f"{{name: {name}, {new}}}")
                case "retire":
                    before.append(f"{{name: {name}, {old}}}")
                    after.append(f"{{name: {name}, {old}, state: retired}}")
                case "replace":
                    before.append(f"{{name: {name}, {old}}}")
                    after.append(f"{{name: {name}, {new}}}")
                case _:
                    before.append(f"{{name: {name}_before, {old}}}")
                    after.append(f"{{name: {name}, {old}}}")
        return "\n".join(before), "\n".join(after)

    def run(self, host: Host, template: str, directory: Path, *, mutant: str | None = None) -> list[str]:
        """Carry it out on a copy of a database; return what did not hold."""
        with host.database(template) as url:
            project = new_project(directory, url, schema="")
            if mutant is not None:
                env = project.versions.parent / "env.py"
                # Not where the test itself writes and undoes the revision.
                load = (
                    f"if 'pytest' not in sys.modules:\n    import deploy_mutants\n"
                    f"    deploy_mutants.MUTANTS[{mutant!r}]()\n"
                )
                env.write_text(env.read_text().replace("import deploy_events\n", f"import deploy_events\n{load}"))
            project.ini.write_text(f"{project.ini.read_text()}twindex_lock_pause_seconds = 0.5\n")
            project.declare(self.before, table=f"public.{self.table}")
            project.build()
            project.declare(self.after, table=f"public.{self.table}")
            assert project.autogenerate("schedule") is not None
            deploy = Deploy(project, url)
            before = deploy.facts()
            with self._watched(url) as seen:
                for _turn in range(self.chance.randint(1, 2)):
                    self._disturbed(host, deploy)
                rerun = deploy.run()
            return list(self._violations(project, before, seen, rerun))

    def _disturbed(self, host: Host, deploy: Deploy) -> None:
        """Run the deploy with others in the way, and end it or not."""
        data = None if host.cluster is None else str(host.cluster.data)
        hows: tuple[How, ...] = ("client", "backend")
        at = self.chance.choice((None, self.chance.randrange(12)))
        orders = None if at is None else Orders(url=deploy.url, at=at, how=self.chance.choice(hows), data=data)
        blocker = self.chance.choice((None, *_BLOCKERS))
        seconds = self.chance.uniform(0.5, 6)
        deed = self.chance.choice(("nothing", "terminate", "cancel", "second deployer", "ddl", "kill"))
        with contextlib.ExitStack() as stack:
            if blocker is not None:
                holder = stack.enter_context(held(deploy.url, blocker.format(table=self.table)))
                timer = threading.Timer(seconds, holder.close)
                timer.start()
                stack.callback(timer.join)
            process = deploy.start(orders)
            others = [deploy.start(orders)] if deed == "second deployer" else []
            if deed in {"terminate", "cancel"}:
                self._strike(deploy.url, deed)
            elif deed == "kill":
                time.sleep(self.chance.uniform(0.5, 4))
                process.kill()
            elif deed == "ddl":
                statement = self.chance.choice(_DDL).format(table=self.table)
                with (
                    contextlib.suppress(psycopg.errors.LockNotAvailable),
                    connect(deploy.url, autocommit=True) as other,
                ):
                    other.execute("SET lock_timeout = '200ms'")
                    other.execute(statement.encode())
            for each in (process, *others):
                outcome = ended(each)
                assert "Traceback" not in outcome.output, f"seed {self.seed}: {outcome.output}"

    def _strike(self, url: str, deed: str) -> None:
        """End what the deploy is at, once it is at something."""
        until = time.monotonic() + 6
        with psycopg.connect(url, autocommit=True) as other:
            while time.monotonic() < until:
                for (pid,) in other.execute(_RUNNING).fetchall():
                    if deed == "terminate":
                        terminate(url, int(pid))
                    else:
                        other.execute("SELECT pg_catalog.pg_cancel_backend(%(pid)s)", {"pid": pid})
                    return
                time.sleep(0.002)

    @contextlib.contextmanager
    def _watched(self, url: str) -> Generator[Seen]:
        """Read and write during the block, and look whether queries have an index."""
        seen = Seen()
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(self._read, url, seen), pool.submit(self._write, url, seen)]
            try:
                yield seen
            finally:
                seen.over.set()
        for each in running:
            each.result()

    def _read(self, url: str, seen: Seen) -> None:
        with psycopg.connect(url, autocommit=True) as reader:
            reader.execute("SET enable_seqscan = off")
            while not seen.over.is_set():
                began = time.monotonic()
                plan = str(reader.execute(f"EXPLAIN SELECT a FROM {self.table} WHERE a = 8".encode()).fetchall())
                seen.note(began)
                if "Seq Scan" in plan:
                    seen.without_index.append(plan)
                time.sleep(0.01)

    def _write(self, url: str, seen: Seen) -> None:
        with psycopg.connect(url, autocommit=True) as writer:
            while not seen.over.is_set():
                began = time.monotonic()
                writer.execute(f"UPDATE {self.table} SET s = s || 'x' WHERE id = 9".encode())
                seen.note(began)
                time.sleep(0.02)

    def _violations(self, project: SpecProject, before: dict[str, Fact], seen: Seen, rerun: Outcome) -> Generator[str]:
        if rerun.status != 0:
            yield f"the undisturbed rerun failed: {rerun.output}"
            return
        with connect(project.url) as connection:
            left = [row["name"] for row in connection.execute(_LEFT).fetchall()]
        if left:
            yield f"left behind: {left}"
        run(project.url, *(each.format(table=self.table) for each in _UNDONE))
        theirs = {name: fact for name, fact in project.facts().items() if name == "theirs"}
        if again := project.check():
            yield f"not as wanted: {again}"
        if seen.without_index:
            yield f"without an index: {seen.without_index[0]}"
        if seen.longest_seconds > BUDGET_SECONDS + SLACK_SECONDS:
            yield f"somebody waited {seen.longest_seconds:.1f} s"
        project.downgrade()
        if project.facts() != before | theirs:
            yield f"the downgrade ends with {project.facts()}, not {before}"
