"""What a value of a snapshot can be: PostgreSQL's own limits, as types that the records are declared with.

A snapshot is a file that anybody may have written, and an owner of a table can write its statistics (since 18). What is
out of these bounds has no meaning, and what is built from it has no end.
"""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import MOST_BYTES as MOST_BYTES_OF_NAME
from analyzer.postgres.identifiers import MOST_KEYS
from analyzer.postgres.pages import BLOCK_BYTES

_INT64 = 2**63 - 1
#: MaxBlockNumber of src/include/storage/block.h is 2^32 - 2.
MOST_BLOCKS = 2**32 - 1
#: More than a relation of that many blocks has room for.
MOST_ROWS = 1e13
#: What the sizes of all tables and indexes may come to: 256 TB, as many files of 1 GB as a quarter of a million.
MOST_BYTES = 2**48
#: NAMEDATALEN - 1; counted in characters, of which a server's encoding may need fewer bytes than UTF-8.
_NAME_LENGTH = MOST_BYTES_OF_NAME
#: MaxTupleAttributeNumber of src/include/access/htup_details.h, which views may reach.
MOST_COLUMNS = 1664
#: MAX_STATISTICS_TARGET; of elements there are ten times as many, and three numbers more.
_MOST_VALUES = 10_000
_MOST_ELEMENTS = 10 * _MOST_VALUES + 3
#: STATS_MAX_DIMENSIONS.
_MOST_DIMENSIONS = 8
_EARLIEST, _LATEST = 1970, 9000
#: What float4 makes of 1.
_ONE = 1.0001


def _plain(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("null_byte", "must not contain a null byte")
    return text


_WORD = r"[A-Za-z_\u0080-\U0010ffff][\w$]*"
_PART = rf'(?:"(?:[^"\0]|"")+"|{_WORD})'
_FIELDS = r"(?:year|month|day|hour|minute|second)"
#: A pattern for a type as format_type() prints it.
TYPE_PATTERN = (
    rf"(?:character varying|bit varying|double precision|interval(?: {_FIELDS}(?: to {_FIELDS})?)?"
    rf"|{_PART}(?:\.{_PART})*)"
    rf"(?:\([\w ,.+-]*\))?(?: with(?:out)? time zone)?(?:\[\d*\])*"
)

_OBJECT_NAME = re.compile(rf"{_PART}(?:\.{_PART})*")


def _type_name(text: str) -> str:
    if re.fullmatch(TYPE_PATTERN, text) is None:
        raise PydanticCustomError("type_name", "must be the name of a type")
    return text


def _object_name(text: str) -> str:
    if _OBJECT_NAME.fullmatch(text) is None:
        raise PydanticCustomError("object_name", "must be the name of an object")
    return text


def _clock(moment: datetime) -> datetime:
    if not _EARLIEST <= moment.year <= _LATEST:
        raise PydanticCustomError("out_of_range", "is out of range ({first} to {last})", _YEARS)
    return moment


_YEARS = {"first": _EARLIEST, "last": _LATEST}

#: Text that a server can hold.
Text = Annotated[str, AfterValidator(_plain)]
#: The name of an object.
Name = Annotated[str, Field(min_length=1, max_length=_NAME_LENGTH), AfterValidator(_plain)]
#: A type as format_type() prints it: a name, perhaps of several words, its modifiers and the brackets of an array.
TypeName = Annotated[str, AfterValidator(_type_name)]
#: A name as the server prints it, quoted where it must be, and qualified.
ObjectName = Annotated[str, AfterValidator(_object_name)]
#: One letter of a catalog's "char", or none.
Letter = Annotated[str, Field(max_length=1), AfterValidator(_plain)]
#: When something happened, by a server's clock.
Moment = Annotated[AwareDatetime, AfterValidator(_clock)]

Count = Annotated[int, Field(ge=0, le=_INT64)]
#: A counter of the statistics collector, which a crash may leave below nothing.
Counter = Annotated[int, Field(ge=-_INT64 - 1, le=_INT64)]
Oid = Annotated[int, Field(ge=0, le=2**32 - 1)]
Int4 = Annotated[int, Field(ge=0, le=2**31 - 1)]
#: pg_class.relpages: -1 for a partitioned table.
Pages = Annotated[int, Field(ge=-1, le=2**31 - 1)]
Blocks = Annotated[int, Field(ge=0, le=MOST_BLOCKS)]
#: The size of one relation's main fork.
Bytes = Annotated[int, Field(ge=0, le=MOST_BLOCKS * BLOCK_BYTES)]
#: Of several relations together.
TotalBytes = Annotated[int, Field(ge=0, le=MOST_BYTES)]
#: Rows of a relation, -1 when it was never analysed.
Rows = Annotated[float, Field(ge=-1, le=MOST_ROWS, allow_inf_nan=False)]
#: Levels of a btree above its leaves; with two keys a page it cannot have more than a block number has bits.
Height = Annotated[int, Field(ge=0, le=32)]
Fraction = Annotated[float, Field(ge=0, le=_ONE, allow_inf_nan=False)]
Correlation = Annotated[float, Field(ge=-_ONE, le=_ONE, allow_inf_nan=False)]
#: stadistinct: a number of values, or minus a share of the rows.
Distinct = Annotated[float, Field(ge=-_ONE, le=1e13, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
#: server_version_num.
VersionNumber = Annotated[int, Field(ge=80_000, le=9_999_999)]
BlockSize = Annotated[int, Field(ge=1024, le=32_768)]
StatisticsTarget = Annotated[int, Field(ge=-1, le=_MOST_VALUES)]
Position = Annotated[int, Field(ge=0, le=MOST_COLUMNS)]

Fractions = Annotated[tuple[Fraction, ...], Field(max_length=_MOST_VALUES)]
ElementFractions = Annotated[tuple[Fraction, ...], Field(max_length=_MOST_ELEMENTS)]
ElementCounts = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)], ...], Field(max_length=_MOST_VALUES + 2)
]
ColumnNames = Annotated[tuple[Name, ...], Field(max_length=MOST_COLUMNS)]
KeyNames = Annotated[tuple[Name, ...], Field(max_length=MOST_KEYS)]
Dimensions = Annotated[tuple[Annotated[int, Field(ge=0, le=_MOST_DIMENSIONS)], ...], Field(max_length=_MOST_DIMENSIONS)]
#: A QualifiedName as a file holds it.
NameInSchema = tuple[Name, Name]


def possible_index(index: IndexDef) -> IndexDef:
    """Let through a definition whose names and numbers of keys a server could have."""
    columns = [key.column for key in index.keys if key.column is not None]
    _NAMES.validate_python((index.schema, index.table, index.name, index.method, *columns, *index.include))
    _KEYS.validate_python((*index.keys, *index.include))
    return index


_NAMES: TypeAdapter[tuple[Name, ...]] = TypeAdapter(tuple[Name, ...])
_KEYS: TypeAdapter[tuple[object, ...]] = TypeAdapter(
    Annotated[tuple[object, ...], Field(min_length=1, max_length=MOST_KEYS)]
)
