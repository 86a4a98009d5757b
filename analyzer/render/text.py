"""Render documents for a terminal."""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analyzer.amounts import plural
from analyzer.documents.member import Member
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.plans import GivenPlan
from analyzer.documents.proposals import (
    FrontierPoint,
    HelpedStatement,
    NotProposed,
    Proposal,
    ProposeDocument,
    Retirement,
)
from analyzer.documents.provenance import Provenance
from analyzer.documents.report import Report
from analyzer.documents.schema import Document
from analyzer.documents.statements import RecordedStatement, StatementsDocument
from analyzer.documents.verification import VerifiedStatement
from analyzer.documents.weights import Weight
from analyzer.documents.whatif import WhatifDocument, WhatifStatement
from analyzer.render import proposal_lines, statistics, units
from analyzer.render.given_plans import left_off, plan_lines
from analyzer.render.plan import Node, compare_plans
from analyzer.render.provenance import as_report, blind_spots
from analyzer.render.retirements import replaces, retirement_facts
from analyzer.render.server_log import log_coverage, log_event, log_headline
from analyzer.render.table_rows import Row, headline, without_table, workload_rows
from analyzer.render.upkeep import upkeep
from analyzer.terminal import page
from analyzer.visible import visible_block

#: Statements the terminal shows; the other formats show them all.
_MOST_STATEMENTS = 20
#: Kinds of events of the server's log that it shows.
_MOST_EVENTS = 30
#: Findings that it shows.
_MOST_FINDINGS = 30
#: Columns that are left to a statement's text, however narrow the terminal.
_LEAST_QUERY = 24
_SEVERITY_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def render_text(document: Document, *, width: int = 120, colour: bool = False) -> str:
    """Render a document as text of that many columns; colours only on request."""
    console = page(width=width, colour=colour)
    with console.capture() as captured:
        if isinstance(document, WhatifDocument):
            _whatif(console, document)
        elif isinstance(document, StatementsDocument):
            _recorded(console, document)
        else:
            _report(console, as_report(document) if isinstance(document, ProposeDocument) else document)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _report(console: Console, report: Report) -> None:
    console.print(Text(headline(report), style="bold"))
    _provenance(console, report.provenance)
    _totals(console, report)
    _regressions(console, report)
    for position, proposal in enumerate(report.proposals, 1):
        _proposal(console, position, proposal, report.weighed_by)
    _retirements(console, report.retirements)
    _proposed_statistics(console, report)
    _analyze(console, report)
    _frontier(console, report.frontier)
    _not_proposed(console, report.not_proposed)
    _statements(console, report)
    _log(console, report)
    _findings(console, report)
    _plans(console, report.plans)
    _blind_spots(console, blind_spots(report))


def _plans(console: Console, plans: tuple[GivenPlan, ...]) -> None:
    if not plans:
        return
    _heading(console, f"Plans ({len(plans):,})")
    for plan in plan_lines(plans):
        console.print(Text(plan.heading))
        for line in plan.lines:
            _item(console, line, indent=3)
    if (more := left_off(plans)) is not None:
        console.print(Text(more, style="dim"))


def _provenance(console: Console, source: Provenance) -> None:
    since = units.moment(source.statements_since)
    planner = f"; planner: {source.planner}" if source.planner else ""
    where = f"{source.database} on {units.server(source.server_version)} ({source.server_role})"
    console.print(Text(units.one_line(f"{where}, captured {units.moment(source.captured_at)} by {source.captured_by}")))
    console.print(Text(units.one_line(f"statements since {since}{planner}"), style="dim"))
    if source.merged:
        console.print(Text(f"merged: {units.merged(source.merged)}", style="dim"))


def _totals(console: Console, report: Report) -> None:
    totals, checked = report.totals, report.verification
    if checked is not None:
        before, after = units.duration(checked.total_ms_before), units.duration(checked.total_ms_after)
        gain = units.ratio(checked.speed_up)
        console.print(Text(f"workload time {before} → {after}, {gain} (measured: {units.one_line(checked.basis)})"))
        for what, names in (("added", checked.indexes_added), ("dropped", checked.indexes_dropped)):
            if names:
                console.print(Text(f"indexes {what}: {units.one_line(', '.join(names))}"))
    if totals.proposals:
        costs = f"{units.cost(totals.cost_before)} → {units.cost(totals.cost_after)}"
        unknown = f", {plural(totals.sizes_unknown, 'size')} unknown" if totals.sizes_unknown else ""
        console.print(Text(f"workload cost {costs} (planner estimate), size {units.size(totals.size_bytes)}{unknown}"))
        if report.gap is not None:
            console.print(Text(f"the proposals are {units.within(report.gap)}", style="dim"))


def _regressions(console: Console, report: Report) -> None:
    if report.verification is None:
        return
    known = {statement.id: statement for statement in report.verification.statements}
    slower = [known[identity] for identity in report.verification.regressions]
    if slower:
        text = f"{plural(len(slower), 'statement')} became more than 20 % slower:"
        console.print(Text(text, style="bold red"))
    else:
        console.print(Text("no measured statement became more than 20 % slower, noise aside", style="green"))
    for statement in slower:
        _item(console, _times(statement), style="red")
    noise = [known[identity] for identity in report.verification.within_noise]
    if noise:
        console.print(Text(f"{plural(len(noise), 'statement')} more than 20 % slower within the noise:"))
    for statement in noise:
        _item(console, _times(statement), style="dim")
    apart = [statement for statement in report.verification.statements if statement.deviates]
    if apart:
        console.print(Text(f"{plural(len(apart), 'statement')} off the prediction by more than a factor of 2:"))
    for statement in apart:
        ratios = f"predicted {units.ratio(statement.predicted_ratio)}, measured {units.ratio(statement.ratio)}"
        why = units.one_line(statement.deviation or "unknown reason")
        _item(console, f"{ratios}: {why}; {statement.id} {units.one_line(statement.query, at_most=100)}", style="dim")


def _times(statement: VerifiedStatement) -> str:
    times = f"{units.duration(statement.mean_ms_before)} → {units.duration(statement.mean_ms_after)}"
    calls = plural(statement.calls, "call")
    if statement.calls_after is not None:
        calls = f"{statement.calls:,} and {plural(statement.calls_after, 'call')}"
    noise = f", noise {units.duration(statement.noise_ms)}" if statement.noise_ms is not None else ""
    query = units.one_line(statement.query, at_most=160)
    return f"{times} ({units.ratio(statement.ratio)}; {calls}{noise}) {statement.id} {query}"


def _proposal(console: Console, position: int, proposal: Proposal, weighed_by: Weight) -> None:
    gain = units.ratio(proposal.measured_ratio)
    if proposal.measured_ratio is None:
        gain = units.predicted(proposal)
    _heading(console, f"{position}. {units.one_line(proposal.name)}: {gain} ({proposal.evidence})")
    _sql(console, proposal.ddl)
    share = f"{units.share(proposal.share_of_time)} of the {weighed_by}"
    costs = f"{units.cost(proposal.cost_before)} → {units.cost(proposal.cost_after)}"
    built = f"built in {units.seconds(proposal.built.build_seconds)}" if proposal.built else "predicted"
    real = proposal.built.size_bytes if proposal.built else None
    size = units.size(proposal.size_bytes if real is None else real)
    for line in (
        units.one_line(proposal.reason),
        f"helps {plural(len(proposal.statements), 'statement')}, {share}; workload cost {costs}",
        *([f"upkeep: {upkeep(proposal.upkeep)}"] if proposal.upkeep is not None else []),
        *([] if (replaced := replaces(proposal)) is None else [units.one_line(replaced)]),
        f"size {size} {built}; lock {proposal.lock_level}; roll back:",
    ):
        console.print(Padding(Text(line), (0, 0, 0, 3)))
    _sql(console, proposal.downgrade_ddl)
    if (worth := proposal_lines.worth(proposal)) is not None:
        console.print(Padding(Text(worth), (0, 0, 0, 3)))
    for ddl, saving in proposal_lines.alternatives(proposal):
        console.print(Padding(Text(f"instead of it: {units.one_line(ddl)}: {saving}", style="dim"), (0, 0, 0, 3)))
    for risk in proposal_lines.risk_lines(proposal):
        console.print(Padding(Text(f"risk: {units.one_line(risk)}", style="yellow"), (0, 0, 0, 3)))
    for caveat in proposal.caveats:
        console.print(Padding(Text(f"caveat: {units.one_line(caveat)}", style="yellow"), (0, 0, 0, 3)))
    for statement in proposal.statements:
        _helped(console, statement)


def _retirements(console: Console, retirements: tuple[Retirement, ...]) -> None:
    if not retirements:
        return
    _heading(console, f"Existing indexes to drop ({len(retirements):,})")
    for each in retirements:
        console.print(
            Text(f"- {units.one_line(each.name)} on {units.one_line(each.table)}: {each.because}", style="bold")
        )
        _sql(console, each.ddl)
        for line in (units.one_line(each.reason), retirement_facts(each), "roll back:"):
            console.print(Padding(Text(line), (0, 0, 0, 3)))
        _sql(console, each.downgrade_ddl)
        for caveat in each.caveats:
            console.print(Padding(Text(f"caveat: {units.one_line(caveat)}", style="yellow"), (0, 0, 0, 3)))
        for statement in each.statements:
            _helped(console, statement)


def _helped(console: Console, statement: HelpedStatement) -> None:
    costs = f"cost {units.cost(statement.cost_before)} → {units.cost(statement.cost_after)}"
    if statement.mean_ms_after is not None:
        costs += f", mean {units.duration(statement.mean_ms_before)} → {units.duration(statement.mean_ms_after)}"
    calls = f"{_alike(statement.members)}{plural(statement.calls, 'call')}, {units.share(statement.share_of_time)}"
    _item(console, f"{statement.id} ({calls}; {costs}) {units.one_line(statement.query, at_most=240)}", indent=3)


def _proposed_statistics(console: Console, report: Report) -> None:
    for proposal in report.statistics:
        _heading(console, f"{units.one_line(proposal.name)}: {statistics.effect(proposal, report.weighed_by)}")
        _sql(console, proposal.ddl)
        _sql(console, proposal.analyze_ddl)
        console.print(Padding(Text(units.one_line(proposal.reason)), (0, 0, 0, 3)))
        console.print(Padding(Text("roll back:"), (0, 0, 0, 3)))
        _sql(console, proposal.downgrade_ddl)
        for caveat in proposal.caveats:
            console.print(Padding(Text(f"caveat: {units.one_line(caveat)}", style="yellow"), (0, 0, 0, 3)))
        for found in proposal.recorded:
            _item(console, units.one_line(statistics.recorded(found)), indent=3)
        for each in proposal.statements:
            calls = f"{_alike(each.members)}{plural(each.calls, 'call')}, {units.share(each.share_of_time)}"
            rows = statistics.estimate(each)
            known = f"{calls}; {rows}" if rows else calls
            _item(console, f"{each.id} ({known}) {units.one_line(each.query, at_most=240)}", indent=3)


def _analyze(console: Console, report: Report) -> None:
    if not report.analyze:
        return
    _heading(console, f"Tables to analyze ({len(report.analyze):,})")
    for each in report.analyze:
        _sql(console, each.ddl)
        read = statistics.reading(each, report.weighed_by)
        console.print(Padding(Text(f"{units.one_line(each.reason)}; {read}"), (0, 0, 0, 3)))
        for caveat in each.caveats:
            console.print(Padding(Text(f"caveat: {units.one_line(caveat)}", style="yellow"), (0, 0, 0, 3)))


def _alike(members: Sequence[Member]) -> str:
    return f"{units.alike(members)}, " if members else ""


def _frontier(console: Console, points: Sequence[FrontierPoint]) -> None:
    if len(points) < proposal_lines.LEAST_POINTS:
        return
    _heading(console, "Size and cost of other sets (planner estimate)")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for justify in ("right", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for point, cells in zip(points, proposal_lines.frontier_rows(points), strict=True):
        table.add_row(*(Text(cell) for cell in cells), style="bold" if point.proposed else "")
    console.print(table)


def _not_proposed(console: Console, refusals: tuple[NotProposed, ...]) -> None:
    if not refusals:
        return
    _heading(console, f"Examined and not proposed ({len(refusals):,})")
    for refused in refusals:
        ddl = f"{units.one_line(refused.ddl)}: " if refused.ddl else ""
        _item(console, f"{ddl}{units.one_line(refused.reason)}")


def _statements(console: Console, report: Report) -> None:
    rows = workload_rows(report)
    if not rows:
        return
    _heading(console, f"Statements by {report.weighed_by} ({len(rows):,})")
    names = ("Calls", "Mean", "Total", "Share", "Mean after", "Predicted", "Measured")
    shown = names if report.verification is not None else names[:-1]
    cells_of = [_cells(row)[: len(shown) + 1] for row in rows[:_MOST_STATEMENTS]]
    table = _table(console, ("Statement", *shown), cells_of)
    for row, cells in zip(rows, cells_of, strict=False):
        table.add_row(*(Text(cell) for cell in cells), style="red" if row.regressed else "")
    console.print(table)
    _explain_counts(console, rows[:_MOST_STATEMENTS])
    if len(rows) > _MOST_STATEMENTS:
        console.print(Text(f"and {len(rows) - _MOST_STATEMENTS:,} more, in the other formats", style="dim"))
    if report.tableless:
        console.print(Text(without_table(report.tableless), style="dim"))


def _log(console: Console, report: Report) -> None:
    if report.log is None:
        return
    _heading(console, log_headline(report.log))
    console.print(Text(log_coverage(report.log), style="dim"))
    for event in report.log.events[:_MOST_EVENTS]:
        query = f": {units.one_line(event.query, at_most=160)}" if event.query else ""
        _item(console, f"{log_event(event, report.log)}{query}")
    if len(report.log.events) > _MOST_EVENTS:
        console.print(Text(f"and {len(report.log.events) - _MOST_EVENTS:,} more, in the other formats", style="dim"))


def _table(console: Console, names: Sequence[str], cells_of: Sequence[Sequence[str]]) -> Table:
    """Begin a table whose column of statements has what the others, as wide as their longest cells, leave."""
    widths = {
        name: max(len(cells[n]) for cells in (names, *cells_of)) for n, name in enumerate(names) if name != "Statement"
    }
    left = max(_LEAST_QUERY, console.width - sum(widths.values()) - 2 * len(widths))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        if name == "Statement":
            table.add_column(name, overflow="ellipsis", no_wrap=True, width=left)
        else:
            table.add_column(name, justify="left" if name == "ID" else "right", no_wrap=True, width=widths[name])
    return table


def _cells(row: Row) -> tuple[str, ...]:
    return (
        _counted(row.query, row.members), units.count(row.calls), units.duration(row.mean_ms),
        units.duration(row.total_ms), units.share(row.share), units.duration(row.mean_ms_after),
        "withheld" if row.predicted is None else units.ratio(row.predicted), units.ratio(row.measured),
    )  # fmt: skip


def _counted(query: str, members: Sequence[Member]) -> str:
    """Write a statement on one line, behind the number of those that it stands for."""
    number = f"({len(members):,}\N{MULTIPLICATION SIGN}) " if members else ""
    return f"{number}{units.one_line(query, at_most=200)}"


def _explain_counts(console: Console, statements: Sequence[Row | RecordedStatement]) -> None:
    if any(each.members for each in statements):
        console.print(
            Text("(n\N{MULTIPLICATION SIGN}) n statements of one shape, listed in the other formats", style="dim")
        )


def _findings(console: Console, report: Report) -> None:
    if not report.checks and not report.findings:
        return
    _heading(console, f"Findings ({len(report.findings):,})")
    for finding in report.findings[:_MOST_FINDINGS]:
        where = f" [{finding.file}{f':{finding.line}' if finding.line is not None else ''}]" if finding.file else ""
        text = f"{finding.severity} {finding.code} {finding.object}: {finding.message}{where}"
        _item(console, units.one_line(text), style=_SEVERITY_STYLES[finding.severity])
    if (more := len(report.findings) - _MOST_FINDINGS) > 0:
        console.print(Text(f"{more:,} more; twindex check --health lists them all, with remedies", style="dim"))
    told = [check for check in report.checks if check.skipped or check.flagged]
    for check in told:
        counts = f"{check.examined:,} examined, {check.skipped:,} skipped, {check.flagged:,} flagged"
        console.print(Text(f"{check.code}: {counts}", style="dim"))
    if silent := len(report.checks) - len(told):
        console.print(Text(f"{plural(silent, 'other check')} flagged and skipped nothing", style="dim"))


def _blind_spots(console: Console, gaps: tuple[NotExamined, ...]) -> None:
    _heading(console, f"Not examined ({len(gaps):,})")
    if not gaps:
        console.print(Text("nothing was left out"))
    for gap in gaps:
        query = f" {units.one_line(gap.query, at_most=240)}" if gap.query else ""
        _item(console, units.one_line(f"{gap.what}: {gap.reason}") + query)


def _whatif(console: Console, document: WhatifDocument) -> None:
    before, after = document.total_before, document.total_after
    change = f", {units.cheaper(before / after)}" if before and after else ""
    is_planned = any(each.error is None for each in document.statements)
    total = f"Total cost {units.cost(before)} → {units.cost(after)}{change}"
    console.print(Text(total if is_planned else "No statement was planned", style="bold"))
    _provenance(console, document.provenance)
    for position, proposal in enumerate(document.proposals, 1):
        _proposal(console, position, proposal, document.weighed_by)
    _not_proposed(console, document.not_proposed)
    for statement in document.statements:
        _tried(console, statement)
    _plans(console, document.plans)
    _blind_spots(console, blind_spots(document))


def _tried(console: Console, statement: WhatifStatement) -> None:
    _heading(console, f"{statement.id} {units.one_line(statement.query, at_most=240)}")
    if statement.error is not None:
        console.print(Text(f"   not planned: {units.one_line(statement.error)}", style="red"))
        return
    before, after = compare_plans(statement.plan_before, statement.plan_after)
    for name, cost, nodes in (("before", statement.cost_before, before), ("after", statement.cost_after, after)):
        console.print(Text(f"   {name}, cost {units.cost(cost)}", style="bold"))
        for node in nodes:
            _node(console, node)


def _node(console: Console, node: Node) -> None:
    costs = "" if node.total_cost is None else f"  (cost {units.cost(node.total_cost)}, {units.count(node.rows)} rows)"
    role = f"{node.role}: " if node.role else ""
    indent = 5 + 2 * node.depth
    label = Text(f"{'*' if node.changed else ' '} {role}{units.one_line(node.label)}{costs}")
    console.print(Padding(label, (0, 0, 0, indent)))
    for name, text in node.details:
        console.print(Padding(Text(units.one_line(f"{name}: {text}"), style="dim"), (0, 0, 0, indent + 4)))


def _recorded(console: Console, document: StatementsDocument) -> None:
    _provenance(console, document.provenance)
    if document.selected:
        for statement in document.statements:
            _whole(console, statement, document.weighed_by)
        return
    _heading(console, f"Statements by {document.weighed_by} ({len(document.statements):,})")
    cells_of = [
        (
            each.id, units.count(each.calls), units.duration(each.mean_ms), units.duration(each.total_ms),
            units.share(each.share_of_time),
            f"{'(log) ' if each.only_logged else ''}{_counted(each.query, each.members)}",
        )
        for each in document.statements
    ]  # fmt: skip
    table = _table(console, ("ID", "Calls", "Mean", "Total", "Share", "Statement"), cells_of)
    for each, cells in zip(document.statements, cells_of, strict=True):
        table.add_row(*(Text(cell) for cell in cells), style="dim" if each.obstacle else "")
    console.print(table)
    _explain_counts(console, document.statements)
    _blind_spots(console, blind_spots(document))


def _whole(console: Console, statement: RecordedStatement, weighed_by: Weight) -> None:
    calls = f"{plural(statement.calls, 'call')}, {units.share(statement.share_of_time)} of the recorded {weighed_by}"
    times = f"mean {units.duration(statement.mean_ms)}, total {units.duration(statement.total_ms)}"
    _heading(console, statement.id)
    rows = "" if statement.rows is None else f"; {plural(statement.rows, 'row')}"
    console.print(Text(f"   {calls}; {times}{rows}"))
    if statement.queryids:
        console.print(Text(f"   queryid {', '.join(statement.queryids)}", style="dim"))
    if statement.only_logged:
        console.print(Text("   not in pg_stat_statements; counted by the log or plans", style="dim"))
    if statement.obstacle is not None:
        console.print(Text(f"   not planned: {units.one_line(statement.obstacle)}", style="red"))
    console.print(Text(textwrap.indent(visible_block(statement.query), "   "), style="cyan"), soft_wrap=True)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _sql(console: Console, statement: str) -> None:
    """Print a statement unbroken, to be copied."""
    console.print(Text(f"   {units.one_line(statement)};", style="cyan"), soft_wrap=True)


def _item(console: Console, text: str, *, style: str = "", indent: int = 0) -> None:
    console.print(Padding(Text(f"- {text}", style=style), (0, 0, 0, indent)))
