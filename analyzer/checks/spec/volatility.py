"""TX101 and TX102: an index may hold only what never changes for the same row."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.checks.rule import Answer, Rule, Subject, Unknown, Violation
from analyzer.checks.spec.sql_calls import Call, Cast, calls, casts, tokens_of
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import unquote

#: Different at every call, in every session or for every user: no index can hold them.
_CHANGING = frozenset(
    """
    now clock_timestamp statement_timestamp transaction_timestamp timeofday random random_normal setseed
    gen_random_uuid uuidv4 uuidv7 uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 nextval currval lastval setval
    current_setting set_config current_schemas current_database current_query version pg_backend_pid
    txid_current pg_current_xact_id inet_client_addr inet_server_addr pg_postmaster_start_time has_table_privilege
    """.split()  # noqa: SIM905 - a paragraph reads better than quoted words
)
_CHANGING_WORDS = frozenset(
    """
    current_timestamp current_date current_time localtime localtimestamp current_user session_user current_role user
    current_schema current_catalog
    """.split()  # noqa: SIM905 - as above
)
#: STABLE because of a session's setting, a locale or a dictionary: an IMMUTABLE way to say it exists.
_SETTING: dict[str, str] = {
    "to_char": "TimeZone and the locale; index the value itself, or date_trunc() of it AT TIME ZONE 'UTC'",
    "to_date": "the locale; store a date",
    "concat": "the output settings of its arguments' types; write || with coalesce()",
    "concat_ws": "the output settings of its arguments' types; write || with coalesce()",
    "format": "the output settings of its arguments' types; write || with coalesce()",
    "unaccent": "its dictionary; wrap it in an IMMUTABLE SQL function that names the dictionary",
    "array_to_string": "the output settings of the element type; wrap it in an IMMUTABLE SQL function for text[]",
    "quote_literal": "the output settings of its argument's type; index the value itself",
    "to_json": "TimeZone and other settings; index the value itself",
    "to_jsonb": "TimeZone and other settings; index the value itself",
    "row_to_json": "TimeZone and other settings; index the value itself",
    "json_build_object": "TimeZone and other settings; index the value itself",
    "jsonb_build_object": "TimeZone and other settings; index the value itself",
}
_TEXT_SEARCH = frozenset({"to_tsvector", "to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery"})
#: IMMUTABLE for timestamp, STABLE for timestamp with time zone.
_BY_TIME_TYPE = frozenset({"date_trunc", "date_part", "extract", "timezone", "date_bin"})
_IMMUTABLE = frozenset(
    """
    lower upper initcap md5 sha224 sha256 sha384 sha512 length char_length character_length octet_length bit_length
    left right substr substring trim btrim ltrim rtrim replace translate reverse split_part strpos position overlay
    ascii chr lpad rpad repeat starts_with regexp_replace regexp_match regexp_count regexp_like regexp_substr
    regexp_instr encode decode to_hex convert_from convert_to normalize
    coalesce nullif greatest least abs round floor ceil ceiling mod div sqrt cbrt ln log exp power sign trunc
    width_bucket hashtext hashint4 hashint8 jsonb_extract_path jsonb_extract_path_text jsonb_array_length jsonb_typeof
    jsonb_path_exists jsonb_path_match jsonb_path_query_first jsonb_strip_nulls json_extract_path_text json_typeof
    array_length array_ndims array_lower array_upper array_position array_remove array_append array_cat cardinality
    int4range int8range numrange tsrange daterange isempty lower_inc upper_inc lower_inf upper_inf
    range_merge setweight strip numnode tsvector_to_array array_to_tsvector l2_normalize subvector
    binary_quantize vector_dims inet_merge network broadcast masklen host family point box
    circle to_timestamp make_date make_timestamp
    """.split()  # noqa: SIM905 - as above
)
#: Casting to these asks no setting, whatever text or number is cast.
_PLAIN_TYPES = frozenset(
    """
    int int2 int4 int8 integer bigint smallint numeric decimal real float4 float8 uuid vector halfvec sparsevec bit
    bool boolean regconfig
    """.split()  # noqa: SIM905 - as above
) | {"double precision"}
_TIME_TYPES = frozenset({"date", "time", "timestamp", "timestamptz", "timetz"})
_ZONED = "timestamp with time zone"
_IN_UTC = "AT TIME ZONE 'UTC'"
_EXTRACT = re.compile(r"(\w+)\s+from\s+(.+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One expression of an index, and where it stands."""

    text: str
    at: tuple[int | str, ...]
    what: str


def pieces(subject: Subject) -> tuple[Piece, ...]:
    """List the key expressions and the predicate."""
    keys = subject.index.keys
    found = [
        Piece(text=key.expression, at=("keys", number, "expression"), what="key expression")
        for number, key in enumerate(keys)
        if key.expression is not None
    ]
    if subject.index.where is not None:
        found.append(Piece(text=subject.index.where, at=("where",), what="predicate"))
    return tuple(found)


def with_piece(subject: Subject, piece: Piece, text: str) -> IndexDef:
    """Return the index with one expression replaced."""
    if piece.at[0] == "where":
        return replace(subject.index, where=text)
    return subject.with_key(int(piece.at[1]), expression=text)


def _changing(subject: Subject) -> Iterator[Answer]:
    for piece in pieces(subject):
        names = [call.name for call in calls(piece.text) if call.name in _CHANGING and _builtin(call)]
        names += [f"{call.name}() of one date" for call in calls(piece.text) if call.name == "age" and _one(call)]
        tokens = tokens_of(piece.text)
        for number, token in enumerate(tokens):
            if token.word in _CHANGING_WORDS and not (number and tokens[number - 1].text == "."):
                names.append(token.word.upper())
        for name in dict.fromkeys(names):
            yield Violation(
                message=f"the {piece.what} calls {name}, which is not IMMUTABLE: its result can change while the row "
                "does not",
                at=piece.at,
                rewrite="compare with a constant, or write the condition in the statement and use its column as a key",
            )
        yield from _unknown(piece, subject)


def _unknown(piece: Piece, subject: Subject) -> Iterator[Answer]:
    """Say which functions and casts only the server can judge."""
    for call in calls(piece.text):
        known = call.name in _CHANGING | _IMMUTABLE | _SETTING.keys() | _TEXT_SEARCH or call.name == "age"
        if not (known and _builtin(call)) and not (call.name in _BY_TIME_TYPE and _settled(call, subject)):
            yield Unknown(reason=f"whether {call.name}() is IMMUTABLE here is known to a server only")
    for cast in casts(piece.text):
        if not cast.of_constant and cast.type not in _PLAIN_TYPES and not _settled_cast(cast, subject):
            yield Unknown(reason=f"whether a cast to {cast.type} is IMMUTABLE here is known to a server only")


def _by_setting(subject: Subject) -> Iterator[Answer]:
    for piece in pieces(subject):
        for call in calls(piece.text):
            if _builtin(call) and (found := _of_call(subject, piece, call)) is not None:
                yield found
        for cast in casts(piece.text):
            if (found := _of_cast(subject, piece, cast)) is not None:
                yield found
        yield from _unknown(piece, subject)


def _of_call(subject: Subject, piece: Piece, call: Call) -> Violation | None:
    if call.name in _SETTING:
        why, _, rewrite = _SETTING[call.name].partition("; ")
        new = _joined(subject, call) if call.name == "concat" else None
        return _hit(subject, piece, call, setting=why, new=new, rewrite=rewrite)
    if call.name in _TEXT_SEARCH and _one(call):
        new = f"{call.name}('{_configuration(subject)}', {call.arguments[0]})"
        rewrite = "name the text search configuration"
        return _hit(subject, piece, call, setting="default_text_search_config", new=new, rewrite=rewrite)
    if call.name in ("date_trunc", "date_part") and len(call.arguments) == 2 and _is_zoned(subject, call.arguments[1]):
        new = f"{call.name}({call.arguments[0]}, {call.arguments[1]} {_IN_UTC})"
        return _hit(subject, piece, call, setting="TimeZone", new=new, rewrite=f"specify the time zone, {_IN_UTC}")
    if call.name == "extract" and (parts := _EXTRACT.fullmatch(call.arguments[0])) and _is_zoned(subject, parts[2]):
        new = f"extract({parts[1]} from {parts[2]} {_IN_UTC})"
        return _hit(subject, piece, call, setting="TimeZone", new=new, rewrite=f"specify the time zone, {_IN_UTC}")
    return None


def _of_cast(subject: Subject, piece: Piece, cast: Cast) -> Violation | None:
    kind = _column_type(subject, cast.operand)
    if cast.of_constant or kind is None:
        return None
    new = None
    if kind == _ZONED and cast.type in ("date", "time", "timestamp"):
        new = f"({cast.operand} {_IN_UTC})::{cast.type}"
    elif kind in ("timestamp without time zone", "date") and cast.type == "timestamptz":
        new = f"({cast.operand}::timestamp {_IN_UTC})"
    elif not (_is_time(kind) and cast.type in ("text", "varchar")) and not (
        _is_text(kind) and cast.type in _TIME_TYPES
    ):
        return None
    setting = "TimeZone" if new else "DateStyle"
    why = (
        "specify the time zone" if new else "store the value in the type it is compared in, or index date_trunc() of it"
    )
    return _hit(subject, piece, cast, setting=setting, new=new, rewrite=why)


def _hit(
    subject: Subject, piece: Piece, found: Call | Cast, *, setting: str, new: str | None, rewrite: str
) -> Violation:
    bad = piece.text[found.start : found.end]
    text = piece.text[: found.start] + new + piece.text[found.end :] if new else None
    return Violation(
        message=f"{bad} in the {piece.what} depends on {setting}: it must be IMMUTABLE",
        at=piece.at,
        rewrite=f"{rewrite}: {new}" if new else rewrite,
        fix=with_piece(subject, piece, text) if text else None,
    )


def _joined(subject: Subject, call: Call) -> str | None:
    """Write concat() of text as ||; concat skips NULL, which || does not."""
    if not call.arguments or any(_column_type(subject, each) not in (None, "text") for each in call.arguments):
        return None
    parts = [each if each.startswith("'") else f"coalesce({each}, '')" for each in call.arguments]
    return f"({' || '.join(parts)})"


def _configuration(subject: Subject) -> str:
    if subject.known is not None:
        setting = subject.known.catalog.snapshot.settings.get("default_text_search_config", "")
        if setting.rpartition(".")[2].isalpha():
            return setting.rpartition(".")[2]
    return "english"


def _builtin(call: Call) -> bool:
    return call.schema in (None, "pg_catalog")


def _one(call: Call) -> bool:
    return len(call.arguments) == 1


def _column_type(subject: Subject, text: str) -> str | None:
    column = subject.column(unquote(text) if text.startswith('"') else text.lower())
    return subject.type_of_column(column)


def _is_zoned(subject: Subject, text: str) -> bool:
    return _column_type(subject, text) == _ZONED


def _is_time(kind: str) -> bool:
    return kind.startswith(("timestamp", "date", "time", "interval"))


def _is_text(kind: str) -> bool:
    return kind.startswith(("text", "character"))


def _settled(call: Call, subject: Subject) -> bool:
    """Say whether the text alone makes a function of time IMMUTABLE: its argument says a zone."""
    last = call.arguments[-1].lower() if call.arguments else ""
    return " at time zone " in last or _column_type(subject, last) is not None


def _settled_cast(cast: Cast, subject: Subject) -> bool:
    return " at time zone " in cast.operand.lower() or _column_type(subject, cast.operand) is not None


RULES = (
    Rule(
        code="TX101",
        name="expression-volatile",
        aliases=("expression-changes",),
        severity="error",
        title="expression or predicate calls a function whose result changes: now(), random(), current_user",
        sqlstates=("42P17",),
        check=_changing,
        decided_by_server=True,
    ),
    Rule(
        code="TX102",
        name="expression-not-immutable",
        aliases=("expression-asks-a-setting",),
        severity="error",
        title="expression or predicate is not immutable: it depends on a setting of the session",
        sqlstates=("42P17",),
        check=_by_setting,
        decided_by_server=True,
    ),
)
