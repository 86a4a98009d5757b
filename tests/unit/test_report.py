"""The documents and their renderers."""

import hashlib
import html.parser
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from analyzer.documents.findings import CheckCount
from analyzer.documents.proposals import HelpedStatement, NotProposed, Proposal
from analyzer.documents.provenance import Provenance
from analyzer.documents.report import Report
from analyzer.documents.schema import Document, render_schemas
from analyzer.documents.verification import Verification, VerifiedStatement
from analyzer.errors import InputError
from analyzer.render.formats import Format, formats_of
from analyzer.render.output import render, write
from analyzer.render.query_text import normalise, with_query_text
from tests.unit.sample_report import predicted, propose_document, sample, whatif_document

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
FORMATS: tuple[Format, ...] = formats_of(Report)
DOCUMENTS: dict[str, Document] = {
    "report": sample(),
    "predicted": predicted(),
    "propose": propose_document(),
    "whatif": whatif_document(),
}
CASES = [(n, f) for n, document in DOCUMENTS.items() for f in formats_of(type(document))]


class Page(html.parser.HTMLParser):
    """Collects what a browser would see in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.blocks: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._open.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open[-1:] in (["style"], ["script"]):
            self.blocks[self._open[-1]] = self.blocks.get(self._open[-1], "") + data
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass


def provenance(**changes: Any) -> Provenance:
    clean = {"statements_evicted": 0, "capabilities": ()}
    return sample().provenance.model_copy(update=clean | changes)


def test_committed_schemas_are_those_of_the_records() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.json")}
    ours = {name: text for name, text in committed.items() if name in render_schemas()}
    assert ours == render_schemas(), "run: python -m analyzer.documents.schema docs/schemas"


@pytest.mark.parametrize(("name", "output_format"), CASES)
def test_same_document_gives_same_bytes(name: str, output_format: Format) -> None:
    document = DOCUMENTS[name]
    again = type(document).model_validate_json(document.model_dump_json())
    assert render(document, output_format) == render(again, output_format)


def test_json_keeps_numbers_and_queryid_strings() -> None:
    document = json.loads(render(sample(), "json"))
    first = document["proposals"][0]
    assert {"ddl", "name", "table", "size_bytes", "share_of_time", "statements", "cost_before", "cost_after"} <= set(
        first
    )
    assert isinstance(first["size_bytes"], int)
    assert isinstance(document["statements"][0]["queryid"], str)
    assert document["verification"]["regressions"] == list(DOCUMENTS_REGRESSIONS)
    assert {"examined", "skipped", "flagged"} <= set(document["checks"][0])
    whatif = json.loads(render(whatif_document(), "json"))
    assert [s["id"] for s in whatif["statements"]] == ["5f1c9a04be21", "dead00beef11"]


DOCUMENTS_REGRESSIONS = ("9d3e61fa72b4", "0000023b64e5")


@pytest.mark.parametrize("output_format", FORMATS)
def test_each_proposal_and_regression_is_named(output_format: Format) -> None:
    report = sample()
    text = render(report, output_format, width=4000)
    text = Page(text).text if output_format == "html" else text
    assert report.verification is not None
    assert report.verification.regressions == DOCUMENTS_REGRESSIONS
    known = {statement.id: statement.query for statement in report.verification.statements}
    for proposal in report.proposals:
        ddl = json.dumps(proposal.ddl)[1:-1] if output_format == "json" else proposal.ddl
        assert ddl in text
        assert proposal.downgrade_ddl in text
    for identity in report.verification.regressions:
        assert known[identity] in text
    if output_format != "json":
        assert "2 statements became more than 20 % slower" in text


@pytest.mark.parametrize("output_format", ["text", "markdown", "html"])
def test_no_regression_is_claimed_only_after_a_measurement(output_format: Format) -> None:
    claim = "measured statement became more than 20 % slower"
    assert claim not in render(predicted(), output_format)
    calm = Verification(
        basis="once",
        statements=(
            VerifiedStatement(id="a", queryid=None, query="SELECT 1", calls=1, mean_ms_before=1, mean_ms_after=1.2),
        ),
    )
    assert claim in render(Report(provenance=provenance(), verification=calm), output_format)


@pytest.mark.parametrize("output_format", ["text", "markdown", "html"])
def test_nothing_was_left_out_is_said_only_when_true(output_format: Format) -> None:
    checks = (CheckCount(code="TWX105", examined=3, skipped=0, flagged=0),)
    complete = Report(provenance=provenance(), checks=checks)
    assert "othing was left out" in render(complete, output_format)
    for incomplete in (
        Report(provenance=provenance()),
        Report(provenance=provenance(statements_evicted=None), checks=checks),
        Report(provenance=provenance(statements_evicted=3), checks=checks),
        Report(provenance=provenance(), checks=(checks[0].model_copy(update={"skipped": 1}),)),
        sample(),
    ):
        assert "othing was left out" not in render(incomplete, output_format)


def test_page_shows_hostile_text_as_text() -> None:
    page = Page(render(sample(), "html"))
    assert page.tags.count("script") == 1
    assert "note <> '<script>alert(\"x\")</script>'" in page.text


def test_page_loads_nothing_and_its_policy_allows_its_own_parts_only() -> None:
    text = render(sample(), "html")
    page = Page(text)
    names = [name for name, _ in page.attributes]
    assert "style" not in names
    assert "src" not in names
    assert not [name for name in names if name.startswith("on")]
    assert all(value and value.startswith("#") for name, value in page.attributes if name == "href")
    policy = next(value for name, value in page.attributes if name == "content" and value and "default-src" in value)
    assert "default-src 'none'" in policy
    for tag in ("style", "script"):
        digest = b64encode(hashlib.sha256(page.blocks[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    links = {value[1:] for name, value in page.attributes if name == "href" and value}
    targets = [value for name, value in page.attributes if name == "id"]
    assert links <= set(targets)
    assert len(targets) == len(set(targets))


def test_markdown_shows_hostile_text_as_text() -> None:
    proposal = propose_document().proposals[0]
    hostile = "1. a | b `c` <img src=x> _d_ [e](f)\n# g"
    changed = proposal.model_copy(
        update={
            "reason": hostile,
            "statements": (proposal.statements[0].model_copy(update={"query": "SELECT a || '```' <b>"}),),
        }
    )
    text = render(propose_document().model_copy(update={"proposals": (changed,)}), "markdown")
    assert "1\\. a \\| b \\`c\\` \\<img src=x\\> \\_d\\_ \\[e\\](f) # g" in text
    assert "| ````SELECT a \\|\\| '```' <b>```` |" in text
    assert not re.search(r"(?m)^# g", text)


def test_terminal_text_carries_no_control_characters() -> None:
    statement = sample().statements[0].model_copy(update={"query": "SELECT '\x1b[2J\x07\u202e' [red]x[/red] :smile:"})
    text = render(Report(provenance=provenance(), statements=(statement,)), "text")
    assert "[red]x[/red] :smile:" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


@pytest.mark.parametrize(("name", "output_format"), CASES)
def test_hash_mode_reveals_no_query_text(name: str, output_format: Format) -> None:
    text = render(DOCUMENTS[name], output_format, query_text="hash")
    secrets = (
        "ORDER BY", "external_ref", "hunter2", "secret_column", "4711", "vault", "deleted_at", "~~*", "alert(",
        "Filter:", 'Filter"', "Index Cond", "Sort Key", "catalog.gone",
    )  # fmt: skip
    assert [secret for secret in secrets if secret in text] == []
    assert not re.search(r"(?i)\bselect\b.*\bfrom\b", text)
    assert "(statement 5f1c9a04be21)" in text


def test_hash_mode_reaches_prose_that_quotes_a_query() -> None:
    document = propose_document()
    first = document.proposals[0]
    quoting = first.model_copy(update={"reason": f"Helps {first.statements[0].query} and SELECT x FROM secret"})
    text = render(document.model_copy(update={"proposals": (quoting,)}), "text", query_text="hash")
    assert "q.company_id" not in text
    assert "secret" not in text.replace("secret_column", "")


def test_normalised_mode_keeps_the_query_and_drops_its_constants() -> None:
    whatif = with_query_text(whatif_document(), "normalised")
    assert whatif.statements[1].query == "SELECT pin FROM vault WHERE pin = ?"
    assert "hunter2" not in render(whatif_document(), "json", query_text="normalised")
    assert "$1" in whatif.statements[0].query
    assert render(whatif_document(), "json", query_text="full") == render(whatif_document(), "json")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 'a''b', E'x\\'y', $1, 12.5e3", "SELECT ?, ?, $1, ?"),
        ("SELECT $$a$$, $t$b$t$, B'1', X'F', U&'c', N'd'", "SELECT ?, ?, ?, ?, ?, ?"),
        ('SELECT "Q"/* secret */ FROM t -- secret', 'SELECT "Q" FROM t'),
        ("SELECT 'unterminated", "(withheld: cannot be read as SQL)"),
        ("WHERE a->>'k' = 'v'::text", "WHERE a->>? = ?::text"),
    ],
)
def test_normalise(query: str, expected: str) -> None:
    assert normalise(query) == expected


def test_measured_gains_are_weighted_by_calls_and_labelled() -> None:
    def helped(calls: int, before: float | None, after: float | None) -> HelpedStatement:
        return HelpedStatement(
            id=str(calls), queryid=None, query="q", calls=calls, share_of_time=0.5, cost_before=10, cost_after=5,
            mean_ms_before=before, mean_ms_after=after,
        )  # fmt: skip

    def proposal(*statements: HelpedStatement) -> Proposal:
        return Proposal(
            ddl="CREATE INDEX i ON t USING GIN (a)", downgrade_ddl="DROP INDEX i", name="i", table="t", size_bytes=None,
            share_of_time=1, statements=statements, cost_before=10, cost_after=5, reason="r",
        )  # fmt: skip

    weighed = proposal(helped(3, 4.0, 1.0), helped(1, 8.0, 2.0), helped(100, None, None))
    assert (weighed.mean_ms_before, weighed.mean_ms_after, weighed.measured_ratio) == (5.0, 1.25, 4.0)
    assert (weighed.evidence, weighed.predicted_ratio, weighed.method) == ("measured", 2.0, "gin")
    assert proposal(helped(1, None, None)).evidence == "planner estimate"
    assert proposal().evidence == "withheld"


def test_regression_starts_above_a_fifth() -> None:
    def ran(after: float) -> bool:
        return VerifiedStatement(
            id="a", queryid=None, query="q", calls=1, mean_ms_before=10, mean_ms_after=after
        ).regressed

    assert [ran(9), ran(12), ran(12.1)] == [False, False, True]


def ran(
    before: float, after: float, spread: float | None, calls: int, calls_after: int | None = None
) -> VerifiedStatement:
    return VerifiedStatement(
        id=f"{before}-{after}-{spread}-{calls}", queryid=None, query=f"SELECT {after} FROM t", calls=calls,
        calls_after=calls if calls_after is None else calls_after, mean_ms_before=before, mean_ms_after=after,
        stddev_ms_before=spread, stddev_ms_after=spread,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "slower", "regressed"),
    [
        (ran(10, 13, 1, 101), True, True),  # the noise is 2 * sqrt(2 / 100)
        (ran(0.02, 0.03, 0.03, 20), True, False),
        (ran(10, 11.9, 0, 100), False, False),
        (ran(10, 13, 0, 1), True, False),  # one call has no spread
        (ran(10, 13, 1, 100, 1), True, False),
        (ran(10, 13, None, 100), True, True),  # nothing says how the times spread
    ],
)
def test_a_regression_is_slower_by_a_fifth_and_by_more_than_the_noise(
    statement: VerifiedStatement, slower: bool, regressed: bool
) -> None:
    assert (statement.slower, statement.regressed) == (slower, regressed)


def test_noise_is_two_standard_errors_of_the_difference() -> None:
    assert ran(10, 13, 1, 101).noise_ms == pytest.approx(2 * (2 / 100) ** 0.5)
    assert ran(10, 13, 1, 1).noise_ms is None


@pytest.mark.parametrize("output_format", ["text", "markdown", "html"])
def test_what_is_within_the_noise_is_listed_as_such(output_format: Format) -> None:
    real, chance = ran(10, 13, 1, 101), ran(0.02, 0.03, 0.03, 20)
    checked = Verification(basis="once", statements=(real, chance), indexes_added=("public.ix_new",))
    assert (checked.regressions, checked.within_noise) == ((real.id,), (chance.id,))
    text = render(Report(provenance=provenance(), verification=checked), output_format, width=300)
    text = Page(text).text if output_format == "html" else text
    assert "1 statement became more than 20 % slower" in text
    assert "1 statement more than 20 % slower within the noise" in text
    assert chance.query in text.partition("within the noise")[2]
    assert "With 1 index the workload runs" in text


@pytest.mark.parametrize("output_format", ["text", "markdown", "html"])
def test_a_measurement_far_from_its_prediction_is_flagged_with_its_reason(output_format: Format) -> None:
    base = sample()
    assert base.verification is not None
    first = base.verification.statements[0]
    assert not first.deviates or first.predicted_ratio
    off = first.model_copy(update={"predicted_ratio": (first.ratio or 1) * 2.1, "deviation": "the moon was full"})
    near = first.model_copy(update={"predicted_ratio": (first.ratio or 1) * 1.9, "deviation": None})
    assert (off.deviates, near.deviates) == (True, False)

    def shown(statement: VerifiedStatement) -> str:
        checked = base.verification
        assert checked is not None
        changed = checked.model_copy(update={"statements": (statement,)})
        return render(base.model_copy(update={"verification": changed}), output_format, width=300)

    assert "the moon was full" in shown(off)
    assert "the moon was full" not in shown(near)


@pytest.mark.parametrize("output_format", ["text", "markdown", "html"])
def test_statements_without_a_table_are_counted_and_candidates_told_together(output_format: Format) -> None:
    more = NotProposed(ddl=None, reason="12 more candidates would save 0.10% of the workload's cost or less each")
    report = predicted().model_copy(update={"tableless": 3, "not_proposed": (*predicted().not_proposed, more)})
    text = render(report, output_format, width=300)
    text = Page(text).text if output_format == "html" else text
    assert "3 statements read no table" in text
    assert "12 more candidates would save 0.10%" in text
    assert "None" not in text


def test_write_picks_the_format_by_the_suffix_and_leaves_nothing_else(tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("r.html", "r.md", "r.json", "r.txt")]
    outputs[0].write_text("old")
    write(sample(), outputs)
    assert sorted(tmp_path.iterdir()) == sorted(outputs)
    assert outputs[0].read_text(encoding="utf-8") == render(sample(), "html")
    assert json.loads(outputs[2].read_text(encoding="utf-8"))["format"] == "twindex-report"
    write(sample(), [tmp_path / "odd.out"], "markdown")
    assert (tmp_path / "odd.out").read_text(encoding="utf-8").startswith("# With 7 indexes")


@pytest.mark.parametrize("bad", ["r.docx", "missing/r.html"])
def test_write_refuses_what_it_cannot_and_writes_nothing(tmp_path: Path, bad: str) -> None:
    with pytest.raises(InputError, match="r"):
        write(sample(), [tmp_path / bad])
    assert list(tmp_path.iterdir()) == []


def test_whatif_has_no_page() -> None:
    with pytest.raises(InputError, match="html is not supported"):
        render(whatif_document(), "html")


@pytest.mark.parametrize("output_format", FORMATS)
def test_empty_report_renders(output_format: Format) -> None:
    assert "2026" in render(Report(provenance=provenance()), output_format)
