"""A check for programs: JUnit XML for CI services, JSON for everything else."""

import json
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from longlag.regression.judge.comparison import Comparison
from longlag.regression.judge.effects import Effect
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.matching import EntryPair
from longlag.regression.judge.measures import Tests
from longlag.regression.judge.together import compare
from longlag.regression.judge.verdict import Ruling, Verdict
from longlag.regression.show.render import verdict_text
from longlag.regression.show.report import Report, entry_of, memory_ratios, time_ratios, verdict_names

SCHEMA = 1
"""The version of the JSON; raised when a field changes its meaning or is removed."""
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


def as_junit(report: Report) -> str:
    """Return JUnit XML with a test case per entry and invariant: regressed fails, not comparable is an error.

    Inconclusive entries are skipped tests; with ``strict`` they fail.
    """
    cases = [_invariant_case(report, place) for place in range(len(report.invariants))]
    called = verdict_names(report.verdicts)
    cases += [_case(report, verdict, called[entry_of(verdict).key]) for verdict in report.verdicts]
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    numbers = {name: str(count) for name, count in counts.items()} | {"time": "0"}
    suites = ElementTree.Element("testsuites", {"name": "longlag check", **numbers})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": f"longlag.{report.study}", **numbers})
    suite.extend(cases)
    ElementTree.indent(suites)
    body = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _invariant_case(report: Report, place: int) -> ElementTree.Element:
    rule = report.invariants[place]
    attributes = {"classname": f"longlag.{report.study}.invariants", "name": _clean(rule.rule), "time": "0"}
    case = ElementTree.Element("testcase", attributes)
    if not rule.holds:
        _child(case, "failure", f"broken: {rule.detail}", "broken invariant")
    return case


def _case(report: Report, verdict: Verdict, name: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"classname": f"longlag.{report.study}", "name": _clean(name), "time": "0"})
    message = f"{verdict_text(verdict)}: {verdict.reason}"
    if verdict.ruling is Ruling.REGRESSED:
        _child(case, "failure", message, "regressed")
    elif verdict.ruling is Ruling.NOT_COMPARABLE:
        _child(case, "error", message, "not comparable")
    elif verdict.ruling is Ruling.INCONCLUSIVE and report.strict:
        _child(case, "failure", message, "inconclusive")
    elif verdict.ruling is Ruling.INCONCLUSIVE:
        ElementTree.SubElement(case, "skipped", {"message": _clean(message)})
    output = ElementTree.SubElement(case, "system-out")
    output.text = _clean(f"{verdict.label}\n{message}")
    return case


def _child(case: ElementTree.Element, tag: str, message: str, kind: str) -> None:
    ElementTree.SubElement(case, tag, {"message": _clean(message), "type": kind}).text = _clean(message)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)


def as_json(report: Report) -> str:
    """Return the whole result as JSON, missing numbers as null."""
    called = verdict_names(report.verdicts)
    times, memory = time_ratios(report.verdicts), memory_ratios(report.verdicts)
    content = {
        "schema": SCHEMA,
        "study": report.study,
        "baseline": {"hash": report.baseline.hash, "accepted": report.baseline.accepted[-1].when},
        "margin": report.margin,
        "exit_code": report.exit_code,
        "headline": report.headline,
        "counts": {str(ruling): report.counts[ruling] for ruling in Ruling},
        "invariants": [
            {"rule": rule.rule, "holds": rule.holds, "detail": rule.detail} for rule in report.invariants
        ],
        "entries": [
            _entry(verdict, called[entry_of(verdict).key])
            | {"slower": _rounded(times.get(key := entry_of(verdict).key), 3), "larger": memory.get(key)}
            for verdict in report.verdicts
        ],
        "notes": report.notes,
    }  # fmt: skip
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _entry(verdict: Verdict, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": verdict.label,
        "key": entry_of(verdict).key,
        "verdict": str(verdict.ruling),
        "meaning": verdict.meaning or None,
        "reason": verdict.reason,
        "measure": verdict.measure or None,
        "p": _rounded(verdict.p),
        "more_seeds": verdict.more_seeds,
        "before": _side(verdict.pair.baseline),
        "after": _side(verdict.pair.new),
        "screened": comparison_json(verdict.screened),
        "confirmed": comparison_json(verdict.confirmed),
    }


def comparison_json(held: Comparison | None) -> dict[str, Any] | None:
    """Return every number of a comparison."""
    if held is None or not held.new.n:
        return None
    return {
        "alpha": held.alpha,
        "paired": bool(held.tests.paired),
        "paired_measures": sorted(held.tests.paired),
        "new": _side(held.new),
        **_p_json(held.tests),
        "solved_change": _effect(held.share),
        "excluded_drop": _rounded(held.excluded_drop),
        "superiority": _effect(held.superiority),
        "detectable_superiority": _rounded(held.detectable),
        "detectable_drop": _rounded(held.detectable_drop),
    }


def comparisons_json(pairs: Sequence[EntryPair]) -> str:
    """Return two sides side by side, without a verdict; ``adjusted`` is for all tests of all entries."""
    tested = {id(one.pair): one for one in compare(pairs)}
    entries = []
    for pair in pairs:
        one = tested.get(id(pair))
        sides: dict[str, Any] = {"label": pair.label, "differs": pair.obstacle or None, "before": _side(pair.baseline)}
        held: dict[str, Any] = {
            "compared": comparison_json(one and one.held),
            "adjusted": one and _p_json(one.adjusted),
        }
        entries.append(sides | {"after": _side(pair.new)} | held)
    return json.dumps({"schema": SCHEMA, "entries": entries}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _p_json(tests: Tests) -> dict[str, dict[str, float | None]]:
    return {
        "p_worse": {name: _rounded(p) for name, p in tests.worse.items()},
        "p_better": {name: _rounded(p) for name, p in tests.better.items()},
    }


def _side(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "solved": entry.solved,
        "n": entry.n,
        "median_updates": entry.median_updates,
        "lost": len(entry.outcomes) - entry.n,
    }


def _effect(effect: Effect) -> dict[str, float | None]:
    return {name: _rounded(value) for name, value in effect._asdict().items()}


def _rounded(value: float | None, digits: int = 6) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")
