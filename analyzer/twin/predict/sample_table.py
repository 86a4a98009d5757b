"""Load the sample of a table's rows beside the empty table, once."""

from dataclasses import dataclass

from analyzer.db import Connection
from analyzer.documents.snapshot import Relation, Sample, Snapshot
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import render
from analyzer.twin.predict.key_statistics import current_rows

SCHEMA = "twindex_scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTable:
    """The sample of a table, and where its rows are loaded to."""

    relation: Relation
    sample: Sample
    #: In the schema of scratch tables.
    name: str
    #: Of the table the sample is of.
    total_rows: float

    @property
    def thinned(self) -> str:
        """Return the name of the table with a third of its rows."""
        return thinned(self.name)


def thinned(table: str) -> str:
    """Return the name of the table with a third of the rows of another."""
    return f"{table}_thinned"


def sample_of(snapshot: Snapshot, table: QualifiedName) -> SampleTable | None:
    """Return the sample of a table (not of its partitions); None where the snapshot has none."""
    relation = snapshot.relation(*table)
    names = [(sample.schema_name, sample.table) for sample in snapshot.samples]
    if relation is None or table not in names:
        return None
    number = names.index(table)
    sample = snapshot.samples[number]
    return SampleTable(
        relation=relation, sample=sample, name=f"sample_{number}", total_rows=current_rows(relation)
    )  # fmt: skip


def load(connection: Connection, table: SampleTable) -> None:
    """Load the rows of a sample, a third of them and a ninth, unless they are there already."""
    name = {"name": f"{SCHEMA}.{table.name}"}
    row = connection.execute(render("twin/sample_exists"), name).fetchone()
    if row is not None and row["loaded"]:
        return
    connection.execute(render("twin/create_sample", name=table.name, sample=table.sample))
    query = render("twin/copy_sample", name=table.name, columns=table.sample.columns)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for line in table.sample.lines:
            copy.write(line + "\n")
    for each in (table.name, table.thinned):
        connection.execute(render("twin/thin_sample", name=each, thinned=thinned(each)))
