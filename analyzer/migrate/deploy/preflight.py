"""Look, before anything is built, at what would make the build fail, take long, or turn out useless."""

import re
from collections.abc import Iterator

from analyzer.migrate.deploy.backends import Backend, duration
from analyzer.migrate.deploy.catalog import Copy, Table, build_on_copy, read_table
from analyzer.migrate.deploy.create_index import Create, parse_create
from analyzer.migrate.deploy.deployment import Deploy
from analyzer.migrate.deploy.driver import DriverError, ended, read
from analyzer.migrate.deploy.privileges import INSUFFICIENT, refuse_unprivileged
from analyzer.migrate.deploy.session import LOG, row, rows, trusted_names
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.postgres.access_methods import extension_of
from analyzer.postgres.identifiers import bare_name
from analyzer.postgres.pgvector import SAFE_PARALLEL_HNSW, fewest_rows, hnsw_bytes
from analyzer.postgres.versions import numbers
from analyzer.sql import ident, render_text

_OLD_SECONDS = 60.0
#: program_limit_exceeded and out_of_memory (pgvector before 0.8.5 asks for an ivfflat index's memory even on an empty
#: table), lock_not_available: as a missing privilege, none says anything about the definition.
_UNDECIDED = frozenset({INSUFFICIENT, "54000", "53200", "55P03"})
#: What the server calls an access method or an operator class that it does not have.
_MISSING = re.compile(r'(?:access method|operator class) "([^"]+)" does not exist')


def ready(deploy: Deploy, target: Target) -> bool:
    """Say whether the build can begin; False when it is postponed until the table has rows.

    Warns of what makes it slow. Raises DeployError for a definition that the server would not build, or not for this
    role.
    """
    create, table = parse_create(target.sql), read_table(deploy.connection, target)
    if create is None or table is None:
        return True
    refuse_unprivileged(deploy.connection, target)
    copy = _rehearsed(deploy, target)
    if create.method == "ivfflat" and deploy.options.postpone and not _learns(deploy, target, create, table):
        return False
    if copy is not None and copy.method == "hnsw":
        for warning in _hnsw_warnings(deploy, target, create, table, copy):
            LOG.warning("%s: %s", target.qualified_name, warning)
    if table.size_bytes > deploy.options.plain_build:
        for warning in _waits(deploy):
            LOG.warning("%s: %s", target.qualified_name, warning)
    return True


def _rehearsed(deploy: Deploy, target: Target) -> Copy | None:
    """Build it on an empty copy first: what the server refuses there leaves no INVALID index behind."""
    try:
        return build_on_copy(deploy.connection, target)
    except DriverError as error:
        if ended(deploy.connection, error):
            raise
        if error.sqlstate in _UNDECIDED:
            return None
        raise DeployError(f"{target.qualified_name} cannot be built: {error}; {_remedy(deploy, str(error))}") from error


def _remedy(deploy: Deploy, message: str) -> str:
    missing = (extension_of(bare_name(name)) for name in _MISSING.findall(message))
    for extension in filter(None, missing):
        known = next(rows(deploy.connection, "read_extension", name=extension), None)
        if known is None:
            return f"the extension {extension} is not installed on the server's machine; install it there"
        if known["installed_version"] is None:
            return f"run CREATE EXTENSION {ident(extension)} first, in a separate revision"
        return f"the extension {extension} is at {known['installed_version']}, look at what that version offers"
    return "fix the spec, and write the revision again"


def _learns(deploy: Deploy, target: Target, create: Create, table: Table) -> bool:
    """Say whether there are rows enough for the lists of an ivfflat index; tell what to do later if not."""
    wanted = fewest_rows(create.parameter("lists"))
    found = _count(deploy, target, table, wanted)
    if found < wanted:
        command = " ".join(target.sql.split())
        LOG.warning(
            "%s is postponed: ivfflat computes its lists from the existing rows, and %s has %d of at least %d; the "
            "deploy continues without it; after loading the table, run: %s",
            target.qualified_name, target.qualified_table, found, wanted, command,
        )  # fmt: skip
    return found >= wanted


def _count(deploy: Deploy, target: Target, table: Table, enough: int) -> int:
    """Count rows up to as many as are asked for; estimate them where asking the table could run a user's function."""
    if any(rows(deploy.connection, "capture/user_code", relations=[table.oid])):
        return max(0, int(table.tuples))
    query = render_text("online/count_rows", schema=target.schema, table=target.table)
    with trusted_names(deploy.connection):
        (counted,) = read(deploy.connection, query, {"enough": enough})
    return int(counted["found"])


def _hnsw_warnings(deploy: Deploy, target: Target, create: Create, table: Table, copy: Copy) -> Iterator[str]:
    limits = row(deploy.connection, "read_memory")
    if copy.key_modifier > 0 and table.tuples > 0:
        needed = hnsw_bytes(
            table.tuples * (1 - _null_share(deploy, target, copy)),
            key_type=copy.key_type, dimensions=copy.key_modifier, m=create.parameter("m"),
        )  # fmt: skip
        if needed > limits["maintenance_bytes"]:
            # How many rows a WHERE leaves is unknown, and partitions are built on one at a time.
            word = "at most" if copy.partial or table.kind == "p" else "about"
            yield (
                f"the build needs {word} {_size(needed)} and can use {_size(limits['maintenance_bytes'])}; beyond that "
                "it is many times slower; set build: {maintenance_work_mem: …} in the spec"
            )
    if limits["parallel_workers"] > 0 and numbers(copy.version) < SAFE_PARALLEL_HNSW:
        yield (
            f"pgvector {copy.version} can crash the server in a parallel hnsw build; upgrade to 0.8.2, or set "
            "build: {parallel_workers: 0} in the spec"
        )


def _null_share(deploy: Deploy, target: Target, copy: Copy) -> float:
    """Return the share of rows without a vector, which no index contains; 0 if unknown."""
    if copy.key_column is None:
        return 0.0
    bind = {"schema": target.schema, "table": target.table, "column": copy.key_column}
    return next((float(each["share"]) for each in rows(deploy.connection, "read_null_share", **bind)), 0.0)


def _waits(deploy: Deploy) -> Iterator[str]:
    """Name old transactions, for which a concurrent build waits, and replicas that lag."""
    for found in rows(deploy.connection, "read_old_transactions", seconds=_OLD_SECONDS):
        backend = Backend(**{name: found[name] for name in Backend.__dataclass_fields__})
        yield f"a concurrent build waits for {backend.describe(private=deploy.options.private)}"
    for found in rows(deploy.connection, "read_lagging_replicas", seconds=_OLD_SECONDS):
        lag = found["lag_seconds"]
        behind = f" is {duration(lag)} behind" if lag is not None else ""
        held = f" holds back vacuum by {found['feedback_age']} transactions" if found["feedback_age"] else ""
        yield f"the replica {found['name']}{behind}{' and' if behind and held else ''}{held}"


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1024**3:.1f} GB" if size_bytes >= 1024**3 else f"{size_bytes / 1024**2:.0f} MB"
