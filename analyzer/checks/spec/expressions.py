"""TX103 to TX105: what may stand in a key expression and in a predicate."""

import re
from collections.abc import Iterator

from analyzer.checks.rule import Answer, Rule, Subject, Unknown, Violation
from analyzer.checks.spec.sql_calls import calls, tokens_of
from analyzer.checks.spec.volatility import Piece, pieces, with_piece
from analyzer.errors import InputError
from analyzer.objects.index import Key
from analyzer.postgres.identifiers import unquote
from analyzer.sql import expression

_AGGREGATES = frozenset(
    """
    count sum avg min max array_agg string_agg bool_and bool_or every bit_and bit_or json_agg jsonb_agg
    json_object_agg jsonb_object_agg stddev stddev_pop stddev_samp variance var_pop var_samp corr mode
    percentile_cont percentile_disc any_value xmlagg range_agg
    """.split()  # noqa: SIM905 - a paragraph reads better than quoted words
)
_SETS = frozenset(
    """
    generate_series unnest generate_subscripts jsonb_array_elements jsonb_array_elements_text jsonb_each
    jsonb_each_text jsonb_object_keys jsonb_path_query json_array_elements json_array_elements_text json_each
    json_object_keys regexp_matches regexp_split_to_table string_to_table ts_stat jsonb_to_recordset
    """.split()  # noqa: SIM905 - as above
)
_OPCLASS = re.compile(r"\w+_ops", re.IGNORECASE)
_COMPARING = frozenset(
    {"and", "or", "not", "is", "in", "like", "ilike", "similar", "between", "true", "false", "exists", "isnull"}
    | {"notnull", "starts_with", "distinct"}
)
_COMPARING_OPERATORS = frozenset({"=", "<", ">", "<=", ">=", "<>", "!=", "@>", "<@", "&&", "@@", "~", "~*", "!~", "?"})


def _rows_only(subject: Subject) -> Iterator[Answer]:
    for piece in pieces(subject):
        for call in calls(piece.text):
            if call.schema in (None, "pg_catalog") and call.name in _AGGREGATES:
                yield Violation(message=f"{call.name}() in the {piece.what} is an aggregate function", at=piece.at)
            if call.schema in (None, "pg_catalog") and call.name in _SETS:
                rewrite = "index the array or document itself with gin, which has an entry for each element"
                message = f"{call.name}() in the {piece.what} returns a set of rows"
                yield Violation(message=message, at=piece.at, rewrite=rewrite)
        yield from _words(piece)
        yield from _foreign_columns(subject, piece)


def _words(piece: Piece) -> Iterator[Violation]:
    words = [token.word for token in tokens_of(piece.text)]
    if "select" in words:
        rewrite = "an index entry depends on one row only; store the result of the subquery in a column of the table"
        yield Violation(message=f"the {piece.what} contains a subquery", at=piece.at, rewrite=rewrite)
    if any(word == "over" and words[n - 1] == "" for n, word in enumerate(words[1:], 1)):
        yield Violation(message=f"the {piece.what} contains a window function", at=piece.at)


def _foreign_columns(subject: Subject, piece: Piece) -> Iterator[Violation]:
    tokens = tokens_of(piece.text)
    own = {subject.index.table, subject.index.schema}
    for number in range(1, len(tokens) - 1):
        token, after = tokens[number], tokens[number + 1]
        if (
            token.text != "."
            or after.kind not in ("word", "quoted")
            or tokens[number - 1].kind not in ("word", "quoted")
        ):
            continue
        calls_it = number + 2 < len(tokens) and tokens[number + 2].text == "("
        first = tokens[number - 1]
        name = first.name
        typed = number >= 2 and tokens[number - 2].text in ("::", ".")
        if not calls_it and not typed and name not in own:
            message = f"{name}.{after.text} in the {piece.what} is of another table than {subject.index.table}"
            yield Violation(message=message, at=piece.at, rewrite="an index can use only columns of its own table")


def _readable(subject: Subject) -> Iterator[Answer]:
    found = False
    for piece in pieces(subject):
        for hit in _syntax(subject, piece):
            found = True
            yield hit
    if not found and pieces(subject):
        yield Unknown(reason="without a server, only common mistakes are detected")


def _syntax(subject: Subject, piece: Piece) -> Iterator[Violation]:
    try:
        expression(piece.text)
    except InputError as error:
        message = str(error).removeprefix("the expression ").replace(repr(piece.text), f"the {piece.what}", 1)
        yield Violation(message=message, at=piece.at)
        return
    tokens = tokens_of(piece.text)
    words = [token.word for token in tokens]
    if piece.at[0] == "where":
        if words and words[0] == "where":
            text = piece.text[tokens[0].end :].strip()
            fix = with_piece(subject, piece, text)
            yield Violation(
                message="the predicate starts with WHERE, which twindex writes itself", at=piece.at, fix=fix
            )
        return
    yield from _key_options(subject, piece)


def _key_options(subject: Subject, piece: Piece) -> Iterator[Violation]:
    """Find ASC, DESC, NULLS or an operator class behind an expression: they are keys of the spec."""
    tokens = tokens_of(piece.text)
    words = [token.word for token in tokens]
    changes: dict[str, object] = {}
    end = len(tokens)
    if end > 2 and words[end - 2] == "nulls" and words[end - 1] in ("first", "last"):
        changes["nulls"] = words[end - 1]
        end -= 2
    if end > 1 and words[end - 1] in ("asc", "desc"):
        changes["descending"] = words[end - 1] == "desc"
        end -= 1
    after_value = end > 1 and (tokens[end - 2].text == ")" or tokens[end - 2].kind not in ("operator", "punctuation"))
    if after_value and _OPCLASS.fullmatch(words[end - 1]):
        changes["opclass"] = words[end - 1]
        end -= 1
    if changes:
        text = piece.text[: tokens[end - 1].end]
        fix = subject.with_key(int(piece.at[1]), expression=text, **changes)
        rewrite = "write them as keys beside it: order, nulls, opclass"
        message = f"{piece.text[len(text) :].strip()} is not part of an expression"
        yield Violation(message=message, at=piece.at, rewrite=rewrite, fix=fix)


def _boolean(subject: Subject) -> Iterator[Answer]:
    where = subject.index.where
    if where is None:
        return
    tokens = tokens_of(where)
    if len(tokens) == 1 and tokens[0].kind == "number":
        yield Violation(message=f"the predicate {where} is a number, not a condition", at=("where",))
        return
    column = subject.column(unquote(where) if where.startswith('"') else where.lower())
    kind = subject.type_of_column(column)
    if kind is not None and kind != "boolean" and column is not None:
        rewrite = f"compare it: {where} IS NOT NULL"
        fix = with_piece(subject, Piece(text=where, at=("where",), what="predicate"), f"{where} IS NOT NULL")
        message = f"the predicate is the column {where}, which is {column.type}, not boolean"
        yield Violation(message=message, at=("where",), rewrite=rewrite, fix=fix)
    elif kind is None and not any(t.word in _COMPARING or t.text in _COMPARING_OPERATORS for t in tokens):
        yield Unknown(
            reason="whether the predicate is boolean depends on its columns' types; give -d URL or --snapshot"
        )


def looks_like_expression(text: str) -> Key | None:
    """Return the key meant by a column name that is an expression, such as lower(name)."""
    return Key(expression=text) if "(" in text else None


RULES = (
    Rule(
        code="TX103",
        name="subquery-or-aggregate",
        aliases=("expression-beyond-the-row",),
        severity="error",
        title="expression or predicate holds a subquery, an aggregate, or another table's column",
        sqlstates=("0A000", "42803", "42P20", "42P01", "42601"),
        check=_rows_only,
        decided_by_server=True,
    ),
    Rule(
        code="TX104",
        name="expression-syntax",
        severity="error",
        title="expression or predicate is not valid SQL",
        sqlstates=("42601",),
        check=_readable,
        decided_by_server=True,
    ),
    Rule(
        code="TX105",
        name="predicate-not-boolean",
        severity="error",
        title="predicate is not boolean",
        sqlstates=("42804",),
        check=_boolean,
        decided_by_server=True,
    ),
)
