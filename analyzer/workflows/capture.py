"""Read a database into a snapshot."""

from collections.abc import Callable, Sequence

import psycopg

from analyzer.capture.capture import capture
from analyzer.capture.catalog import ServerCatalog
from analyzer.db import describe, without_secrets
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import CapabilityError, UnreachableError
from analyzer.progress import Progress, silent
from analyzer.workflows.qualstats import add_qualstats
from analyzer.workflows.sampling import sampling


def read_database(
    url: str,
    *,
    replicas: Sequence[str] = (),
    values: bool = True,
    statements: bool = True,
    planning: bool = True,
    sample_rows: int = 0,
    run_user_code: bool = False,
    allow_superuser: bool = False,
    sample_seconds: float | None = None,
    on_catalog: Callable[[ServerCatalog], None] | None = None,
    progress: Progress = silent,
) -> Snapshot:
    """Capture a database as `capture` does; raises UnreachableError also if the server ends it.

    Meanwhile, and at least for `sample_seconds`, what its sessions run is sampled; then the counters are read.
    """
    try:
        with sampling((url, *replicas), sample_seconds, allow_superuser=allow_superuser) as sampled:

            def end_sampling() -> None:
                progress("capture: activity")
                sampled.wait()

            captured = capture(
                url,
                replicas=replicas,
                values=values,
                statements=statements,
                planning=planning,
                sample_rows=sample_rows,
                run_user_code=run_user_code,
                allow_superuser=allow_superuser,
                on_catalog=on_catalog,
                before_counters=end_sampling if sample_seconds else None,
                progress=lambda what: progress(f"capture: {what}"),
            )
            if values and statements:
                captured = add_qualstats(captured, url, allow_superuser=allow_superuser, progress=progress)
            return sampled.added_to(captured, values=values)
    except (psycopg.OperationalError, psycopg.DataError) as error:
        reason = without_secrets(str(error), url)
        raise UnreachableError(
            f"{describe(url)}: reading was ended by the server ({reason}); run the command again"
        ) from None


def read_with_statements_if_recorded(
    url: str, *, run_user_code: bool = False, allow_superuser: bool = False, progress: Progress = silent
) -> Snapshot:
    """Capture for definitions, with the recorded statements where the server has them; else the snapshot says so."""

    def read(*, statements: bool) -> Snapshot:
        return read_database(
            url,
            statements=statements,
            planning=False,
            run_user_code=run_user_code,
            allow_superuser=allow_superuser,
            progress=progress,
        )

    try:
        return read(statements=True)
    except CapabilityError as error:
        snapshot = read(statements=False)
        gap = NotExamined(what="recorded statements", reason=str(error))
        return snapshot.model_copy(update={"not_examined": (*snapshot.not_examined, gap)})
