"""Render documents as Markdown for a pull request or a wiki."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from analyzer.amounts import plural
from analyzer.documents.proposals import ProposeDocument
from analyzer.documents.schema import Answer
from analyzer.documents.whatif import WhatifDocument
from analyzer.render import statistics, units
from analyzer.render.given_plans import left_off, plan_lines
from analyzer.render.plan import Node, compare_plans
from analyzer.render.proposal_lines import alternatives, risk_lines, worth
from analyzer.render.provenance import as_report, blind_spots
from analyzer.render.retirements import replaces, retirement_facts
from analyzer.render.server_log import log_coverage, log_event, log_headline
from analyzer.render.table_rows import headline, without_table, workload_rows
from analyzer.render.upkeep import upkeep
from analyzer.visible import visible, visible_block

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~&$])|^(?=[#+=-])")
_NUMBERED = re.compile(r"^(\d+)(?=[.)])")


class Markdown(str):
    """Text that is already Markdown."""

    __slots__ = ()


def render_markdown(document: Answer) -> str:
    """Render a document; the same document gives the same bytes."""
    environment = _environment()
    if isinstance(document, WhatifDocument):
        text = environment.get_template("whatif.md.jinja").render(
            document=document,
            plans=plan_lines(document.plans),
            plans_left_off=left_off(document.plans),
            blind_spots=blind_spots(document),
        )
        return text.strip() + "\n"
    report = as_report(document) if isinstance(document, ProposeDocument) else document
    checked = report.verification
    verified = {statement.id: statement for statement in checked.statements} if checked else {}
    text = environment.get_template("report.md.jinja").render(
        report=report,
        headline=headline(report),
        rows=workload_rows(report),
        regressions=[verified[identity] for identity in checked.regressions] if checked else [],
        within_noise=[verified[identity] for identity in checked.within_noise] if checked else [],
        without_table=without_table(report.tableless),
        plans=plan_lines(report.plans),
        plans_left_off=left_off(report.plans),
        log_headline=log_headline,
        log_coverage=log_coverage,
        log_event=log_event,
        blind_spots=blind_spots(report),
    )
    return text.strip() + "\n"


def escape(text: object) -> Markdown:
    """Write text on one line so that Markdown shows it as it is; what is Markdown already stays."""
    if isinstance(text, Markdown):
        return text
    return Markdown(_NUMBERED.sub(r"\1\\", _SPECIAL.sub(r"\\\1", units.one_line(str(text)))))


def code(text: str, at_most: int | None = None) -> Markdown:
    """Write text as a code span; the fence is longer than any in the text."""
    line = units.one_line(text, at_most=at_most)
    if not line:
        return Markdown("")
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Markdown(f"{fence}{pad}{line}{pad}{fence}")


def cell(text: str, at_most: int | None = None) -> Markdown:
    """Write text as a code span in a table, where a bar would end the cell."""
    return Markdown(code(text, at_most).replace("|", "\\|"))


def block(text: str, language: str = "") -> Markdown:
    """Write text as a fenced block; the fence is longer than any in the text."""
    fence = "`" * max(3, _longest_run(text) + 1)
    shown = visible(text) if language == "sql" else visible_block(text)  # a statement is written on one line
    return Markdown(f"{fence}{language}\n{shown}\n{fence}")


def plan_text(nodes: tuple[Node, ...]) -> str:
    """Write a plan as an indented tree, changed nodes marked with a star."""
    lines: list[str] = []
    for node in nodes:
        indent = "  " * node.depth
        costs = (
            "" if node.total_cost is None else f"  (cost {units.cost(node.total_cost)}, {units.count(node.rows)} rows)"
        )
        role = f"{node.role}: " if node.role else ""
        lines.append(f"{'*' if node.changed else ' '} {indent}{role}{units.one_line(node.label)}{costs}")
        lines += [f"  {indent}    {name}: {units.one_line(text)}" for name, text in node.details]
    return "\n".join(lines)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _plans(statement: Any) -> Markdown:
    before, after = compare_plans(statement.plan_before, statement.plan_after)
    return block(f"before\n{plan_text(before)}\n\nafter (* differs)\n{plan_text(after)}", "text")


_FILTERS: dict[str, Callable[..., Any]] = {
    "markdown": Markdown,
    "replaces": replaces,
    "retirement_facts": retirement_facts,
    "code": code,
    "cell": cell,
    "block": block,
    "plans": _plans,
    "size": units.size,
    "duration": units.duration,
    "seconds": units.seconds,
    "share": units.share,
    "within": units.within,
    "upkeep": upkeep,
    "alike": units.alike,
    "alternatives": alternatives,
    "risk_lines": risk_lines,
    "worth": worth,
    "ratio": units.ratio,
    "cheaper": units.cheaper,
    "predicted": units.predicted,
    "cost": units.cost,
    "count": units.count,
    "plural": plural,
    "effect": statistics.effect,
    "estimate": statistics.estimate,
    "recorded_estimate": statistics.recorded,
    "reading": statistics.reading,
    "merged": units.merged,
    "moment": units.moment,
    "server": units.server,
}


@functools.cache
def _environment() -> jinja2.Environment:
    env = jinja2.Environment(  # noqa: S701 - Markdown, not HTML; finalize escapes
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= _FILTERS
    return env
