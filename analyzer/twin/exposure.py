"""Which indexes a twin has beyond the captured ones, and which of all of them its planner sees."""

from collections.abc import Collection, Mapping, Sequence

from psycopg import sql
from psycopg.rows import DictRow

from analyzer.errors import InputError
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.build import Built
from analyzer.twin.hypothetical.add_indexes import Addition, TwinIndex, read_trees
from analyzer.twin.hypothetical.visibility import Visibility
from analyzer.twin.survivor import Survivor


class Exposure:
    """The indexes added to a twin and those hidden on it; the same on a server that is built again."""

    def __init__(self, server: Survivor[Built]) -> None:
        self._server = server
        #: Indexes as they were handed out, in the order they were added.
        self.added: list[TwinIndex] = []
        #: By name of an existing index: its table, and its oids as they were handed out.
        self._dropped: dict[str, tuple[QualifiedName, tuple[int, ...]]] = {}
        #: Handed-out oids by table: added indexes that are to be seen, existing ones that are not.
        self._departures: dict[QualifiedName, frozenset[int]] = {}
        #: Tables of which something was decided since the server was last made to show it.
        self._undone: set[QualifiedName] = set()
        #: Where an oid that was handed out is another one now, because the server was built again.
        self._current: dict[int, int] = {}
        self._visibility = Visibility(server.built.inflated.superuser)
        server.on_rebuilt = self._restore

    def _restore(self) -> None:
        self._visibility = Visibility(self._server.built.inflated.superuser)
        self._current, self._undone = {}, {*self._departures}
        rebuilt, _ = self._try_add([each.index for each in self.added]) if self.added else ((), {})
        for before, now in zip(self.added, rebuilt, strict=True):
            self._current |= dict(zip(before.oids, now.oids, strict=True))
        for (_, oids), tree in zip(self._dropped.values(), self._trees([*self._dropped]), strict=True):
            self._current |= dict(zip(oids, (int(row["oid"]) for row in tree), strict=True))

    def try_add(self, indexes: Sequence[IndexDef]) -> tuple[tuple[TwinIndex, ...], dict[IndexDef, InputError]]:
        """Add what the server takes, hidden, and return beside it why it rejects the others."""
        self._server.hold(*(index.ddl() for index in indexes))
        added, rejected = self._server.surviving(lambda: self._try_add(indexes))
        self.added += added
        return added, rejected

    def _try_add(self, indexes: Sequence[IndexDef]) -> tuple[tuple[TwinIndex, ...], dict[IndexDef, InputError]]:
        addition = Addition(built=self._server.built, snapshot=self._server.snapshot, visibility=self._visibility)
        return addition.run(indexes), addition.rejected

    def show(
        self, added: Collection[TwinIndex], *, without: Collection[str], tables: Collection[QualifiedName] | None
    ) -> None:
        """Decide which indexes are seen from the next plan on; with `tables` only those of these."""
        departing = [(index.index.full_table, index.oids) for index in added]
        if missing := {*without} - self.existing(without):
            raise InputError(f"there is no index {min(missing)} to drop; name it as schema.name")
        departing += [self._dropped[name] for name in without]
        departures: dict[QualifiedName, set[int]] = {
            each: set() for each in (self._departures if tables is None else tables) if each in self._departures
        }
        for table, oids in departing:
            if tables is None or table in tables:
                departures.setdefault(table, set()).update(oids)
        for table, oids in departures.items():
            if self._departures.get(table) != (now := frozenset(oids)):
                self._departures[table] = now
                self._undone.add(table)

    def pending(self) -> sql.SQL | None:
        """Return the statement that makes the server show what was decided; None where it does."""
        return self._visibility.change(self._departures_now())

    def settled(self) -> None:
        """Take note that this statement was run."""
        self._visibility.changed(self._departures_now())
        self._undone.clear()

    def _departures_now(self) -> Mapping[QualifiedName, frozenset[int]]:
        """Return what of the departures was decided since, with the oids that the indexes have on this server."""
        found = {table: self._departures[table] for table in self._undone}
        if not self._current:
            return found
        now = self._current
        return {table: frozenset(now.get(oid, oid) for oid in oids) for table, oids in found.items()}

    def existing(self, names: Collection[str]) -> frozenset[str]:
        """Return which of these indexes of the captured database the twin has; all are looked up at once."""
        unknown = [name for name in dict.fromkeys(names) if name not in self._dropped]
        if unknown:
            self._server.hold(*unknown)
            trees = self._server.surviving(lambda: self._trees(unknown))
            for name, tree in zip(unknown, trees, strict=True):
                if (root := next((row for row in tree if row["is_root"]), None)) is not None:
                    table = QualifiedName(root["table_schema"], root["table_name"])
                    self._dropped[name] = table, tuple(int(row["oid"]) for row in tree)
        return frozenset(name for name in names if name in self._dropped)

    def _trees(self, names: Sequence[str]) -> list[list[DictRow]]:
        """Read the trees of existing indexes, which can be hidden from then on."""
        trees = read_trees(self._server.built.inflated.superuser, names)
        self._visibility.know({row["oid"]: row["table_oid"] for tree in trees for row in tree})
        return trees
