"""The self-test as text."""

from collections.abc import Mapping, Sequence

from longlag.regression.judge.measures import MEASURES
from longlag.regression.selftest.self_test import MARGIN, MOST_HARMLESS, POWER, SelfTest, SelfTestLine, passing
from longlag.regression.selftest.simulation import Screened
from longlag.report.text.terminal import aligned


def render(counted: SelfTest, what: Mapping[str, str]) -> str:
    """Return the lines as a table, and the failures.

    Args:
        counted: The result of the self-test.
        what: Changes in words, by name.
    """
    healthy = counted.healthy
    alarms = f"{healthy.regressed} false alarms in {healthy.checks} simulated checks where nothing changed"
    head = [
        f"{alarms}: at most {counted.bound:.2%} (one-sided 95 % bound)",
        *_flagged_lines(counted),
        *_margin_lines(counted),
    ]
    rows = [_row(lines, what[change]) for change, lines in counted.by_change.items()]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}
    failures = counted.failures()
    verdict = [f"FAILED {failure}" for failure in failures] or ["the procedure does what it promises"]
    table = ["", *aligned(columns, {"planted change", "most often in", "verdict"})] if rows else []
    return "\n".join([*head, *table, "", *verdict]) + "\n"


def _flagged_lines(counted: SelfTest) -> list[str]:
    """Return lines on how often the first stage flags unchanged entries."""
    lines = []
    for paired, how in ((False, "of two samples"), (True, "by pairs of seeds")):
        tested = [Screened(measure, paired) for measure in MEASURES]
        if count := counted.unchanged.tested[tested[0]]:
            rates = ", ".join(f"{of.measure} {counted.unchanged.flagged[of] / count:.1%}" for of in tested)
            lines.append(f"the first stage, {how}, flags of {count} unchanged entries: {rates}")
    return lines


def _margin_lines(counted: SelfTest) -> list[str]:
    """Return lines on how often a drop passes, and how often unchanged entries do."""
    if not counted.margin.rulings:
        return []
    drop = f"{passing(counted.dropped):.1%}, with --margin {MARGIN} in {passing(counted.dropped_margin):.1%}"
    unchanged = f"{passing(counted.unchanged):.1%} and {passing(counted.margin):.1%}"
    return [
        f"a drop of {MARGIN} points of the solved share passes as same in {drop} of the entries",
        f"unchanged entries pass in {unchanged}",
        f"{counted.margin.alarms} false alarms where nothing changed, with --margin {MARGIN}",
    ]


_COLUMNS = (
    "planted change", "found in", "most often in", "solved, change", "beats healthy", "called a regression", "verdict",
)  # fmt: skip


def _row(lines: Sequence[SelfTestLine], what: str) -> tuple[str, ...]:
    """Return the entry in which a change is called a regression most often, and in how many entries it is found."""
    most = max(lines, key=lambda line: (line.fraction, -(line.superiority or 0.0)))
    assert most.superiority is not None
    assert most.share is not None
    count = f"{sum(line.fraction >= POWER for line in lines)} of {len(lines)}"
    effects = (f"{100 * most.share:+.0f}", f"{most.superiority:.0%}", f"{most.fraction:.1%}")
    return what, count, most.entry, *effects, _verdict(lines, most)


def _verdict(lines: Sequence[SelfTestLine], most: SelfTestLine) -> str:
    if all(line.unchanged for line in lines):
        return "unchanged, to the last digit"
    if not most.worse:
        return "silent" if most.fraction <= MOST_HARMLESS else "FALSE ALARM"
    if most.fraction >= POWER:
        return "found"
    return "less than the minimum effect" if all(line.is_small for line in lines) else "MISSED"
