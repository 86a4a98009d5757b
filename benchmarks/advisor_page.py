"""The tables and targets of the advisor's page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from analyzer.amounts import percent, plural
from analyzer.render import units
from benchmarks.advisor_judge import Judged
from benchmarks.advisor_sets import TWINDEX
from benchmarks.advisor_suites import Suite
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target

#: By how many points of cost the best of the known algorithms must be beaten.
_POINTS = 6.0
_GAP = 0.02
#: Of what unlimited indexes save, and of their bytes, for the set without a budget.
_KNEE_SAVED, _KNEE_BYTES = 0.95, 0.40
#: A set whose real size is larger than its budget by more has not kept to it.
_OVER = 1.02
_MB = 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Results:
    """What has been judged of a suite so far."""

    suite: Suite
    scale: float
    judged: list[Judged] = field(default_factory=list[Judged])
    #: What is to be said beside the tables.
    notes: list[str] = field(default_factory=list[str])

    def own(self, *, of: str = "literal") -> list[Judged]:
        """Return what twindex proposed within the budgets."""
        return [
            each
            for each in self.judged
            if each.chosen.by == TWINDEX and each.chosen.input == of and not each.chosen.is_unlimited
        ]

    def baselines(self) -> list[Judged]:
        """Return what the known algorithms chose."""
        return [each for each in self.judged if each.chosen.by != TWINDEX]

    def best(self, budget_bytes: int | None) -> Judged | None:
        """Return the cheapest set of the known algorithms for a budget, of those that really keep to it."""
        found = [each for each in self.baselines() if each.chosen.budget_bytes == budget_bytes]
        kept = [each for each in found if budget_bytes is None or each.size_bytes <= _OVER * budget_bytes]
        return min(kept or found, key=lambda each: each.cost, default=None)

    def without_budget(self) -> tuple[Judged, Judged] | None:
        """Return the set without a budget and the one without any limit, where both were judged."""
        default = next((each for each in self.own() if each.chosen.budget_bytes is None), None)
        unlimited = next((each for each in self.judged if each.chosen.is_unlimited), None)
        return (default, unlimited) if default is not None and unlimited is not None else None


def section(results: Results) -> Section:
    """Render what is known of a suite."""
    targets = tuple(_targets(results)) if results.scale == 1 else ()
    return Section(text="\n\n".join(_parts(results)), targets=targets)


def _parts(results: Results) -> Iterator[str]:
    scale = "" if results.scale == 1 else f" at scale {results.scale:g}"
    yield f"## {results.suite.name}, {plural(len(results.suite.queries), 'query').replace('querys', 'queries')}{scale}"
    yield from results.notes
    if own := results.own():
        yield _own_table(own, results)
    if normalised := results.own(of="normalised"):
        yield "From the texts that `pg_stat_statements` recorded, without their constants:"
        yield _own_table(normalised, results)
    if (both := results.without_budget()) is not None:
        yield _without_budget(*both)
    if baselines := results.baselines():
        yield "The known algorithms:"
        yield _baselines_table(baselines)
    timed = [each for each in results.judged if each.times is not None]
    if timed:
        yield "Execution time, in percent of that without the set:"
        yield _times_table(timed)
    for each in timed:
        yield from _disagreements(each)


def _own_table(judged: Sequence[Judged], results: Results) -> str:
    heads = (
        "budget:", "indexes:", "size:", "cost:", "cost on the twin:", "gap to the bound:", "time:", "best known",
        "its cost:", "points below:",
    )  # fmt: skip
    return render_table(heads, (_own_row(each, results.best(each.chosen.budget_bytes)) for each in judged))


def _own_row(each: Judged, best: Judged | None) -> tuple[str, ...]:
    chosen = each.chosen
    return (
        chosen.limit,
        f"{len(chosen.indexes)}",
        units.size(each.size_bytes),
        percent(each.cost),
        percent(chosen.predicted),
        "" if chosen.gap is None else percent(chosen.gap),
        f"{chosen.seconds:.1f} s",
        "" if best is None else best.chosen.by,
        "" if best is None else percent(best.cost),
        "" if best is None else f"{_points(each, best):.1f}",
    )


def _points(each: Judged, best: Judged) -> float:
    return 100 * (best.cost - each.cost)


def _baselines_table(judged: Sequence[Judged]) -> str:
    heads = ("budget:", "algorithm", "indexes:", "size:", "cost:", "cost on the twin:", "time:")
    rows = (
        (
            each.chosen.limit,
            each.chosen.by,
            f"{len(each.chosen.indexes)}",
            units.size(each.size_bytes),
            percent(each.cost),
            percent(each.chosen.predicted),
            f"{each.chosen.seconds:.1f} s{'' if each.chosen.complete else ', then ended'}",
        )
        for each in judged
    )
    return render_table(heads, rows)


def _without_budget(default: Judged, unlimited: Judged) -> str:
    saved, size = _shares(default, unlimited)
    return (
        f"Without any limit {len(unlimited.chosen.indexes)} indexes of {units.size(unlimited.size_bytes)} leave "
        f"{percent(unlimited.cost)} of the cost; the set without a budget saves {percent(saved)} of what they save, "
        f"with {percent(size)} of their bytes."
    )


def _shares(default: Judged, unlimited: Judged) -> tuple[float, float]:
    """Return the parts of the saving and of the bytes of all indexes that the set without a budget has."""
    whole = 1 - unlimited.cost
    saved = (1 - default.cost) / whole if whole > 0 else 1.0
    return saved, default.size_bytes / max(unlimited.size_bytes, 1)


def _times_table(judged: Sequence[Judged]) -> str:
    heads = (
        "budget:",
        "set",
        "total:",
        "mean of ratios:",
        "slower",
        "not announced",
        "announced, in all:",
        "canceled before, after:",
    )
    rows: list[tuple[str, ...]] = []
    for each in judged:
        assert each.times is not None  # noqa: S101 - of those that were timed
        rows.append(
            (
                each.chosen.limit,
                _by(each),
                percent(each.times.total),
                f"{each.times.mean:.2f}",
                ", ".join(each.times.slower),
                ", ".join(each.unannounced),
                str(len(each.chosen.announced)),
                "{}, {}".format(*each.times.timed_out),
            )
        )
    return render_table(heads, rows)


def _by(each: Judged) -> str:
    return each.chosen.by if each.chosen.input == "literal" else f"{each.chosen.by}, {each.chosen.input}"


def _disagreements(each: Judged) -> Iterator[str]:
    found = each.times.disagreements if each.times is not None else ()
    if not found or each.chosen.by != TWINDEX:
        return
    yield f"Where time and cost disagree, {each.chosen.limit} ({_by(each)}):"
    heads = ("query", "cost:", "before:", "after:", "slower", "why")
    rows = (
        (
            every.name,
            percent(every.cost_ratio),
            units.duration(every.before_ms),
            f"{'> ' if every.timed_out else ''}{units.duration(every.after_ms)}",
            ("announced" if every.name in each.chosen.announced else "**yes**") if every.is_slower else "",
            every.reason,
        )
        for every in found
    )
    yield render_table(heads, rows)


def _targets(results: Results) -> Iterator[Target]:
    suite = results.suite
    own, name = results.own(), suite.name
    for each in own:
        where = f"{name}, {each.chosen.limit if each.chosen.budget_bytes is not None else 'without a budget'}"
        megabytes = None if each.chosen.budget_bytes is None else each.chosen.budget_bytes // _MB
        if (wanted := suite.costs.get(megabytes or 0)) is not None:
            yield _at_most(f"{where}: cost", 100 * each.cost, wanted, "%")
        if each.chosen.budget_bytes is not None:
            share = 100 * each.size_bytes / each.chosen.budget_bytes
            yield _at_most(f"{where}: real size in percent of it", share, 100 * _OVER, "%")
            yield from _against(where, each, results.best(each.chosen.budget_bytes))
        if each.times is not None and (limit := suite.times.get(megabytes or 0)) is not None:
            yield _at_most(f"{where}: mean of time ratios", each.times.mean, limit, "", digits=2)
        if each.times is not None:
            unannounced = each.unannounced
            yield Target(
                name=f"{where}: queries slower and not announced", wanted="none",
                measured=", ".join(unannounced) or "none", met=not unannounced,
            )  # fmt: skip
    if (both := results.without_budget()) is not None:
        saved, size = _shares(*both)
        yield _at_least(f"{name}, without a budget: of the saving of unlimited indexes", 100 * saved, 100 * _KNEE_SAVED)
        yield _at_most(f"{name}, without a budget: of their bytes", 100 * size, 100 * _KNEE_BYTES, "%")
    if own and suite.seconds is not None:
        yield _at_most(f"{name}: time", max(each.chosen.seconds for each in own), suite.seconds, "s")


def _against(where: str, each: Judged, best: Judged | None) -> Iterator[Target]:
    if each.chosen.gap is not None:
        yield _at_most(f"{where}: gap to the bound", 100 * each.chosen.gap, 100 * _GAP, "%")
    if best is not None:
        points = _points(each, best)
        yield Target(
            name=f"{where}: below {best.chosen.by}", wanted=f"≥ {_POINTS:g} points", measured=f"{points:.1f}",
            met=points >= _POINTS,
        )  # fmt: skip


def _at_most(name: str, measured: float, wanted: float, unit: str, *, digits: int = 1) -> Target:
    space = f" {unit}" if unit else ""
    return Target(
        name=name, wanted=f"≤ {wanted:g}{space}", measured=f"{measured:.{digits}f}{space}", met=measured <= wanted
    )


def _at_least(name: str, measured: float, wanted: float) -> Target:
    return Target(name=name, wanted=f"≥ {wanted:g} %", measured=f"{measured:.1f} %", met=measured >= wanted)
