"""The query-text switch: how much of the statements a document shows to those who read it."""

import re
from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import JsonValue

from analyzer.capture.literals import UnreadableStatementError, check_strings
from analyzer.documents.findings import Finding
from analyzer.documents.member import Member
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.plans import GivenPlan
from analyzer.documents.proposals import HelpedStatement, Proposal, ProposeDocument, Retirement
from analyzer.documents.report import Report, Statement
from analyzer.documents.schema import Document
from analyzer.documents.server_log import LogSection
from analyzer.documents.statements import RecordedStatement, StatementsDocument
from analyzer.documents.statistics_advice import ReplannedStatement, StatisticsProposal
from analyzer.documents.verification import Verification, VerifiedStatement
from analyzer.documents.whatif import WhatifDocument, WhatifStatement
from analyzer.postgres.lex import IncompleteError, TooLongError, lex, significant
from analyzer.workload.plan_tree import PLAN_FACTS, PLAN_NAMES

#: full: as captured. normalised: every constant becomes `?`. hash: no text at all, the fingerprint instead.
QueryText = Literal["full", "normalised", "hash"]

D = TypeVar("D", bound=Document)
C = TypeVar("C", bound=Proposal | Retirement)
S = TypeVar(
    "S",
    bound=Statement
    | HelpedStatement
    | VerifiedStatement
    | WhatifStatement
    | RecordedStatement
    | ReplannedStatement
    | Member,
)

_QUERY_IN_PROSE = re.compile(
    r"\b(select\b.+\bfrom|update\b.+\bset|insert\s+into|delete\s+from|merge\s+into|with\s+\w+\s+as\s*\()\b.*",
    re.IGNORECASE | re.DOTALL,
)
#: PostgreSQL ends a message about a value it cannot read with that value.
_QUOTED_VALUE = re.compile(r': "[^"]*"')
_QUOTED = re.compile(r'"[^"]*"')


def with_query_text(document: D, show: QueryText) -> D:
    """Return the document with its statements, and all that quotes them, shown as far as asked."""
    if show == "full":
        return document
    return _Redactor(document, show).document(document)


def normalise(query: str, *, is_recorded: bool = True) -> str:
    """Replace every constant of a query by `?` and drop its comments; what cannot be read as SQL is withheld whole.

    A recorded statement comes from a session with settings of its own, an expression of a plan from a twin.
    """
    try:
        tokens = significant(lex(query))
        if is_recorded:
            check_strings(query, tokens)
    except (TooLongError, UnreadableStatementError) as error:
        return f"(withheld: {error})"
    except IncompleteError:
        return "(withheld: cannot be read as SQL)"
    parts: list[str] = []
    position = 0
    for token in tokens:
        gap = query[position : token.start]
        parts.append(" " if gap.strip() else gap)
        parts.append("?" if token.kind in ("string", "number") else token.text)
        position = token.end
    return "".join(parts).strip()


def _normalise_expression(text: str) -> str:
    return normalise(text, is_recorded=False)


class _Redactor:
    """Rewrites one document; knows the texts of its statements, so that prose cannot quote them either."""

    def __init__(self, document: Document, show: QueryText) -> None:
        self._normalised = show == "normalised"
        texts = {query: identity for identity, query in _statements(document)}
        texts |= {" ".join(query.split()): identity for query, identity in texts.items()}
        self._texts = sorted(texts.items(), key=lambda item: (-len(item[0]), item))

    def document(self, document: D) -> D:
        update: dict[str, object] = {
            "not_examined": tuple(self._gap(gap) for gap in document.not_examined),
        }
        if not isinstance(document, StatementsDocument):
            update["plans"] = tuple(self._given_plan(plan) for plan in document.plans)
        if isinstance(document, WhatifDocument | StatementsDocument):
            update["statements"] = tuple(self._statement(statement) for statement in document.statements)
        if not isinstance(document, StatementsDocument):
            update["proposals"] = tuple(self._changed(proposal) for proposal in document.proposals)
            update["not_proposed"] = tuple(
                refused.model_copy(update={"reason": self._prose(refused.reason)}) for refused in document.not_proposed
            )
        if isinstance(document, ProposeDocument | Report):
            update["retirements"] = tuple(self._changed(retirement) for retirement in document.retirements)
            update["statistics"] = tuple(self._statistics(proposal) for proposal in document.statistics)
            update["log"] = self._log(document.log)
        if isinstance(document, Report):
            update["statements"] = tuple(self._statement(statement) for statement in document.statements)
            update["verification"] = self._verification(document.verification)
            update["findings"] = tuple(self._finding(finding) for finding in document.findings)
        return document.model_copy(update=update)

    def _log(self, log: LogSection | None) -> LogSection | None:
        if log is None:
            return None
        events = tuple(
            each.model_copy(update={"query": self._query(each.query, each.id or "")}) if each.query else each
            for each in log.events
        )
        return log.model_copy(update={"events": events})

    def _query(self, query: str, identity: str) -> str:
        return normalise(query) if self._normalised else f"(statement {identity})"

    def _statement(self, statement: S) -> S:
        update: dict[str, object] = {"query": self._query(statement.query, statement.id)}
        if isinstance(statement, Statement | HelpedStatement | RecordedStatement | ReplannedStatement):
            update["members"] = tuple(self._statement(each) for each in statement.members)
        if isinstance(statement, HelpedStatement | WhatifStatement | ReplannedStatement):
            update["plan_before"] = self._plan(statement.plan_before)
            update["plan_after"] = self._plan(statement.plan_after)
        if isinstance(statement, WhatifStatement) and statement.error is not None:
            update["error"] = self._server_message(statement.error)
        return statement.model_copy(update=update)

    def _changed(self, change: C) -> C:
        return change.model_copy(
            update={
                "statements": tuple(self._statement(statement) for statement in change.statements),
                "reason": self._prose(change.reason),
                "caveats": tuple(self._prose(caveat) for caveat in change.caveats),
            }
        )

    def _statistics(self, proposal: StatisticsProposal) -> StatisticsProposal:
        statements = [
            self._statement(each).model_copy(update={"condition": self._condition(each.condition)})
            for each in proposal.statements
        ]
        recorded = [
            each.model_copy(update={"condition": self._condition(each.condition)}) for each in proposal.recorded
        ]
        return proposal.model_copy(update={"statements": tuple(statements), "recorded": tuple(recorded)})

    def _condition(self, condition: str | None) -> str | None:
        return _normalise_expression(condition) if condition is not None and self._normalised else None

    def _verification(self, verification: Verification | None) -> Verification | None:
        if verification is None:
            return None
        statements = tuple(self._statement(statement) for statement in verification.statements)
        return verification.model_copy(update={"statements": statements})

    def _given_plan(self, plan: GivenPlan) -> GivenPlan:
        """Show the conditions of a plan as far as the statements."""
        findings = tuple(
            each.model_copy(update={"condition": _normalise_expression(each.condition) if self._normalised else None})
            if each.condition is not None
            else each
            for each in plan.findings
        )
        reason = None if plan.not_compared is None else self._server_message(plan.not_compared)
        return plan.model_copy(update={"findings": findings, "not_compared": reason})

    def _finding(self, finding: Finding) -> Finding:
        return finding.model_copy(update={"message": self._prose(finding.message)})

    def _gap(self, gap: NotExamined) -> NotExamined:
        if gap.query is None:
            return gap.model_copy(update={"what": self._prose(gap.what), "reason": self._prose(gap.reason)})
        return gap.model_copy(
            update={
                "what": self._prose(gap.what),
                "reason": self._server_message(gap.reason),
                "query": normalise(gap.query) if self._normalised else None,
            }
        )

    def _server_message(self, message: str) -> str:
        """Keep the first line, and of it no value; in hash mode no name either, since the query gave it."""
        line = message.splitlines()[0] if message.strip() else message
        return (
            (_QUOTED_VALUE.sub(': "?"', self._prose(line))) if self._normalised else _QUOTED.sub("…", self._prose(line))
        )

    def _prose(self, text: str) -> str:
        for query, identity in self._texts:
            text = text.replace(query, self._query(query, identity))
        return text if self._normalised else _QUERY_IN_PROSE.sub("(query text withheld)", text)

    def _plan(self, plan: JsonValue) -> JsonValue:
        if isinstance(plan, list):
            return [self._plan(part) for part in plan]
        if not isinstance(plan, dict):
            return plan
        return {name: kept for name, value in plan.items() if (kept := self._property(name, value)) is not None}

    def _property(self, name: str, value: JsonValue) -> JsonValue:
        if name in PLAN_FACTS:
            return value
        if name in {"Plan", "Plans"}:
            return self._plan(value)
        if not self._normalised:
            return None
        return value if name in PLAN_NAMES else _map_strings(value, _normalise_expression)


def _map_strings(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_strings(part, change) for part in value]
    if isinstance(value, dict):
        return {name: _map_strings(part, change) for name, part in value.items()}
    return value


def _statements(document: Document) -> tuple[tuple[str, str], ...]:
    """List (id, query) of every statement a document speaks of."""
    found: list[
        Statement | HelpedStatement | RecordedStatement | ReplannedStatement | VerifiedStatement | WhatifStatement
    ] = []
    if not isinstance(document, ProposeDocument):
        found += document.statements
    if not isinstance(document, StatementsDocument):
        found += [statement for proposal in document.proposals for statement in proposal.statements]
    if isinstance(document, ProposeDocument | Report):
        found += [statement for retirement in document.retirements for statement in retirement.statements]
        found += [statement for proposal in document.statistics for statement in proposal.statements]
    if isinstance(document, Report) and document.verification is not None:
        found += document.verification.statements
    grouping = (
        each for each in found if isinstance(each, Statement | HelpedStatement | RecordedStatement | ReplannedStatement)
    )
    members = ((member.id, member.query) for each in grouping for member in each.members)
    return (*((each.id, each.query) for each in found), *members)
