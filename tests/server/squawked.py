"""squawk over what `alembic upgrade --sql` writes, and what our revisions break of it on purpose."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config

SQUAWK = Path(sys.executable).with_name("squawk")

#: Rules of squawk that our revisions break on purpose; docs/commands/revise.md says why.
ON_PURPOSE = {
    # CREATE INDEX CONCURRENTLY IF NOT EXISTS takes an INVALID leftover for the index; ours fails there, and says how to
    # go on. The executor looks into the catalog instead. COMMENT, ALTER INDEX and DROP … IF EXISTS repeat as they are.
    "prefer-robust-stmts",
    # A unique constraint is dropped when its spec is retired, or by its replacement; DROP CONSTRAINT is the only way.
    "ban-drop-constraint",
    # An index is renamed when its spec is, and in the moment a replacement takes over the name.
    "renaming-object",
}


def squawk(sql: str) -> list[dict[str, Any]]:
    """Lint SQL, for the oldest server we write for; what Alembic does to its own table is not ours."""
    arguments = [SQUAWK, "--reporter", "json", "--pg-version", "14.0", "--stdin-filepath", "up.sql"]
    done = subprocess.run(arguments, input=sql, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    lines = sql.splitlines()
    found: list[dict[str, Any]] = json.loads(done.stdout)
    # Lines are counted from 0; the column of CREATE TABLE alembic_version stands on a line of its own.
    return [f for f in found if not any("alembic_version" in line for line in lines[f["line"] - 1 : f["line"] + 1])]


def offline(config: Config, revisions: str, *, down: bool = False) -> str:
    """Return what `alembic upgrade --sql` writes."""
    config.output_buffer = StringIO()
    (command.downgrade if down else command.upgrade)(config, revisions, sql=True)
    return config.output_buffer.getvalue()
