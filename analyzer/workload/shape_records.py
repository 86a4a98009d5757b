"""What a statement asks of each table, as records."""

from dataclasses import dataclass
from typing import Literal

from analyzer.workload.names import Target
from analyzer.workload.ordering import Nearest, Sort, SortKey
from analyzer.workload.parameters import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinKey:
    """A column that must equal something of another table."""

    column: str
    #: The other table and column; None when it is computed.
    other: tuple[str, str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPredicate:
    """A condition whose operator an access method of its own may serve."""

    column: str
    #: As PostgreSQL writes it, patterns as `like`, `ilike`, `~`, `~*`; `= any` when the column is the array.
    operator: str
    #: SQL of the indexed expression when it is not the bare column, and its type if known.
    expression: str | None = None
    expression_type: str | None = None
    #: The pattern, or the prefix, when the text has it.
    value: str | None = None
    #: The column is on the right of the operator.
    is_commuted: bool = False
    #: Type of the other side, as SQL names it, if the text tells.
    other_type: str | None = None
    #: Of an explicit COLLATE, with its schema.
    collation: str | None = None
    #: The text of an attribute, or under COLLATE, compares by its bytes; None where the column says.
    is_bytewise: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionPredicate:
    """A comparison of an expression, or under COLLATE a column, of one table with what is not of that table."""

    #: SQL, ready for an index.
    sql: str
    columns: tuple[str, ...]
    kind: Literal["equality", "range"]
    #: Of an explicit COLLATE, with its schema; the expression is then without it.
    collation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition without parameters, usable as the predicate of a partial index."""

    sql: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """What a statement asks of one mention of a table."""

    schema: str
    table: str
    alias: str
    #: What the statement does to the table, when it writes it.
    target: Target | None = None
    #: Columns compared with = (also IN and = ANY) to what is not of another table.
    equalities: tuple[str, ...] = ()
    #: Of these, columns compared with several values: an order behind them is lost.
    lists: tuple[str, ...] = ()
    #: Columns that must be NULL.
    nulls: tuple[str, ...] = ()
    joins: tuple[JoinKey, ...] = ()
    ranges: tuple[str, ...] = ()
    #: Columns of row comparisons with < or >, such as keyset pagination has.
    keysets: tuple[tuple[str, ...], ...] = ()
    #: Columns compared within an OR: each needs an index of its own.
    alternatives: tuple[str, ...] = ()
    #: Arms of an OR that are ANDs, with the conditions of each alone.
    arms: tuple["TableShape", ...] = ()
    operators: tuple[OperatorPredicate, ...] = ()
    expressions: tuple[ExpressionPredicate, ...] = ()
    conditions: tuple[Condition, ...] = ()
    #: It has conditions that no index can hold, such as `data ->> $1 = $2`.
    residual: bool = False
    #: Orders of rows: ORDER BY, the ends that min() and max() read, windows.
    sorts: tuple[Sort, ...] = ()
    #: Of several, one may be within a subquery and another one sort what that returns.
    nearest: tuple[Nearest, ...] = ()
    #: Conditions on values that a parameter often has: a vector index cannot have their column as a key.
    often: tuple[Condition, ...] = ()
    #: Keys of a GROUP BY or DISTINCT that is wholly of this table.
    groups: tuple[SortKey, ...] = ()
    #: Columns read; None when whole rows are needed.
    columns: tuple[str, ...] | None = ()
    #: Columns an INSERT, UPDATE or MERGE sets.
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one statement asks of the tables."""

    statement_id: str
    weight: float
    tables: tuple[TableShape, ...]
    comparisons: tuple[Comparison, ...] = ()
