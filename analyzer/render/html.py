"""Render the report as one HTML page that loads nothing."""

import base64
import functools
import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pydantic import JsonValue

from analyzer.amounts import plural
from analyzer.documents.proposals import FrontierPoint, HelpedStatement
from analyzer.documents.report import Report
from analyzer.documents.statistics_advice import ReplannedStatement
from analyzer.render import statistics, units
from analyzer.render.given_plans import left_off, plan_lines
from analyzer.render.plan import Node, compare_plans
from analyzer.render.proposal_lines import LEAST_POINTS, alternatives, risk_lines
from analyzer.render.provenance import blind_spots
from analyzer.render.retirements import replaces, retirement_facts
from analyzer.render.server_log import log_coverage, log_event, log_headline
from analyzer.render.table_rows import Row, headline, waterfall, without_table, workload_rows
from analyzer.render.upkeep import upkeep
from analyzer.visible import visible_block

TEMPLATES = Path(__file__).parent / "templates"

#: Rows of the statement table; a browser sorts and filters so many at once.
MOST_ROWS = 1_000
_MOST_BARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One statement of the time chart; widths are 0 to 100."""

    #: None for the bar that sums up the rest.
    id: str | None
    label: str
    before_ms: float
    after_ms: float | None
    before_width: float
    after_width: float | None
    share: float
    regressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One point of the frontier's chart, in the coordinates of its picture."""

    of: FrontierPoint
    x: float
    y: float


def render_html(report: Report) -> str:
    """Render the page; the same report gives the same bytes."""
    rows = workload_rows(report)
    totals, checked = report.totals, report.verification
    style, script = _asset("report.css"), _asset("report.js")
    verified = {statement.id: statement for statement in checked.statements} if checked else {}
    return _environment().get_template("report.html.jinja").render(
        report=report,
        headline=headline(report),
        predicted=totals.cost_before / totals.cost_after if totals.cost_before and totals.cost_after else None,
        built=any(proposal.built for proposal in report.proposals),
        regressions=[verified[identity] for identity in checked.regressions] if checked else [],
        within_noise=[verified[identity] for identity in checked.within_noise] if checked else [],
        without_table=without_table(report.tableless),
        log_headline=log_headline,
        log_coverage=log_coverage,
        log_event=log_event,
        bars=_bars(rows),
        steps=waterfall(report),
        frontier=_dots(report.frontier),
        rows=rows,
        shown_rows=rows[:MOST_ROWS],
        row_ids={row.id for row in rows[:MOST_ROWS]},
        left_off=max(0, len(rows) - MOST_ROWS),
        plans=plan_lines(report.plans),
        plans_left_off=left_off(report.plans),
        blind_spots=blind_spots(report),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_hash=_hash(style),
        script_hash=_hash(script),
    )  # fmt: skip


def _bars(rows: tuple[Row, ...]) -> tuple[Bar, ...]:
    by_time = sorted(rows, key=lambda row: (-row.total_ms, row.id))
    shown, rest = by_time[:_MOST_BARS], by_time[_MOST_BARS:]
    rest_ms = sum(row.total_ms for row in rest)
    known = [row.total_ms_after for row in rest]
    rest_after = sum(after for after in known if after is not None) if None not in known else None
    entries = [
        (row.id, units.one_line(row.query, at_most=90), row.total_ms, row.total_ms_after, row.share, row.regressed)
        for row in shown
    ]
    scale = max((max(before, after or 0) for _, _, before, after, _, _ in entries), default=0) or 1

    def width(value: float | None) -> float | None:
        return None if value is None else round(min(value / scale, 1) * 100, 3)

    bars = [
        Bar(id=identity, label=label, before_ms=before, after_ms=after, before_width=width(before) or 0,
            after_width=width(after), share=share, regressed=regressed)
        for identity, label, before, after, share, regressed in entries
    ]  # fmt: skip
    if rest:
        bars.append(
            Bar(id=None, label=f"{plural(len(rest), 'other statement')}", before_ms=rest_ms, after_ms=rest_after,
                before_width=width(rest_ms) or 0, after_width=width(rest_after), share=sum(row.share for row in rest),
                regressed=False)
        )  # fmt: skip
    return tuple(bars)


def _dots(points: Sequence[FrontierPoint]) -> tuple[Dot, ...]:
    """Place the points by the logarithm of their size; a single one is not drawn."""
    if len(points) < LEAST_POINTS:
        return ()
    sizes = [math.log(max(point.size_bytes, 1)) for point in points]
    width = (max(sizes) - min(sizes)) or 1.0
    return tuple(
        Dot(
            of=point,
            x=round(75 + 525 * (size - min(sizes)) / width, 1),
            y=round(180 - 160 * min(max(point.cost, 0.0), 1.0), 1),
        )
        for point, size in zip(points, sizes, strict=True)
    )


def _compare(statement: HelpedStatement | ReplannedStatement) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    return compare_plans(statement.plan_before, statement.plan_after)


def _raw_json(plan: JsonValue) -> str:
    return visible_block(json.dumps(plan, indent=2, ensure_ascii=False))


_FILTERS: dict[str, Callable[..., Any]] = {
    "replaces": replaces,
    "retirement_facts": retirement_facts,
    "compare": _compare,
    "raw_json": _raw_json,
    "size": units.size,
    "duration": units.duration,
    "seconds": units.seconds,
    "share": units.share,
    "within": units.within,
    "upkeep": upkeep,
    "alike": units.alike,
    "alternatives": alternatives,
    "risk_lines": risk_lines,
    "signed_share": units.signed_share,
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
    "printable": visible_block,
    "one_line": units.one_line,
}


def _shown(value: object) -> object:
    """Show what steers a terminal or turns the direction of a line; what is markup already is ours."""
    return visible_block(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= _FILTERS
    return env


@functools.cache
def _asset(name: str) -> str:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    if re.search(r"</(style|script)", text, re.IGNORECASE):
        raise AssertionError(f"{name} would end its own element")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
