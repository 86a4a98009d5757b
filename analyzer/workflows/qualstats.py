"""Add the values that pg_qualstats has sampled to a snapshot."""

import psycopg

from analyzer.capture.qualstats import read_qualstats
from analyzer.db import without_secrets
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import TwindexError
from analyzer.progress import Progress, silent
from analyzer.workload.qualstats_values import qualstats_statements


def add_qualstats(snapshot: Snapshot, url: str, *, allow_superuser: bool, progress: Progress = silent) -> Snapshot:
    """Return a snapshot with the constants of pg_qualstats, if the database has it; what fails is named."""
    extension = next((each for each in snapshot.extensions if each.name == "pg_qualstats"), None)
    if extension is None:
        return snapshot
    progress("pg_qualstats")
    try:
        found = read_qualstats(url, extension, allow_superuser=allow_superuser)
    except (TwindexError, psycopg.Error) as error:
        gap = NotExamined(what="values of pg_qualstats", reason=without_secrets(str(error), url))
        return snapshot.model_copy(update={"not_examined": (*snapshot.not_examined, gap)})
    statements = qualstats_statements(found.examples, found.constants)
    return snapshot.model_copy(update={"qualstats_statements": statements})
