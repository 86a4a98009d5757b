"""Find the statement that stands above a plan: after EXPLAIN, or in a block of its own."""

import re
from collections.abc import Sequence

from analyzer.postgres.lex import IncompleteError, tokens_of, words
from analyzer.workload.plan_lines import FENCE, HEADER, RULE
from analyzer.workload.plan_tree import PlanNode, relation_names

#: Lines above a plan that are looked through.
_MOST_LINES = 2_000
#: `app=> ` and `app=# ` of psql.
_PROMPT = re.compile(r"\A\s*(?P<name>[\w.@:/~\[\]-]{0,100})=[*!^]?[>#] ")
_OPTIONS = r"(?:\s*\([^()]{0,300}\)|(?:\s+(?:analyze|analyse|verbose))*)"
_FIRST_WORDS = r"(?:select|with|insert|update|delete|merge|values|table|declare|create|execute|refresh)"
_EXPLAIN = re.compile(rf"explain{_OPTIONS}\s*(?={_FIRST_WORDS}\b|\()", re.IGNORECASE)
_STATEMENT = re.compile(r"(?:select|with|insert|update|delete|merge)\b", re.IGNORECASE)


def statement_above(lines: Sequence[str], tree: PlanNode) -> str | None:
    """Return the statement that lines end with, above a plan; None if they do not."""
    above = list(lines[-_MOST_LINES:])
    while above and (RULE.fullmatch(above[-1]) or HEADER.match(above[-1])):
        above.pop()
    for place in range(len(above) - 1, -1, -1):
        prompt = _PROMPT.match(above[place])
        if above[place][prompt.end() if prompt else 0 :].lstrip()[:7].lower() == "explain":
            text = "\n".join(_without_prompts(above[place:], prompt)).lstrip()
            if _EXPLAIN.match(text):
                return _first_statement(text)
    return _own_block(above, tree)


def without_explain(query: str) -> str:
    """Return the statement that an EXPLAIN explains; another statement stays as it is."""
    explain = _EXPLAIN.match(query)
    return query[explain.end() :] if explain else query


def _without_prompts(lines: Sequence[str], first: re.Match[str] | None) -> Sequence[str]:
    """Take off the prompts of psql, which are `app-> `, `app(> ` and so on in the lines that continue a statement."""
    if first is None:
        return lines
    prompt = re.compile(rf"\A\s*{re.escape(first['name'])}[=\-*'\"($][*!^]?[>#] ?")
    return [prompt.sub("", line, count=1) for line in lines]


def _own_block(above: Sequence[str], tree: PlanNode) -> str | None:
    """Return a statement without EXPLAIN, if it names a table of the plan."""
    tables = relation_names(tree)
    for place in range(len(above) - 1, -1, -1):
        if _STATEMENT.match(above[place].lstrip()) and (
            place == 0 or not above[place - 1].strip() or _is_edge(above[place - 1])
        ):
            text = _first_statement("\n".join(above[place:]))
            return text if text is not None and tables & words(text) else None
    return None


def _is_edge(line: str) -> bool:
    return FENCE.match(line) is not None or line.rstrip().endswith(":")


def _first_statement(text: str) -> str | None:
    """Cut a text behind its first statement: at a semicolon, a fence or an empty line after which prose begins."""
    position = None
    try:
        for token in tokens_of(text):
            if token.text == ";" and token.kind == "punctuation":
                position = token.start
                break
    except IncompleteError:
        pass
    if position is None:
        kept = list[str]()
        for line in text.split("\n"):
            if FENCE.match(line) or (not line.strip() and kept):
                break
            kept.append(line)
        text = "\n".join(kept)
    else:
        text = text[:position]
    return text.strip() or None
