"""A check as text for a terminal and as Markdown for a job's summary: worst first, unchanged entries folded."""

from collections.abc import Mapping, Sequence

from longlag.regression.judge.entries import Entry
from longlag.regression.judge.matching import EntryPair
from longlag.regression.judge.measures import MEASURES
from longlag.regression.judge.together import Compared, compare
from longlag.regression.judge.verdict import Ruling, Verdict
from longlag.regression.show.report import EXPLAINED, Report, names, verdict_names
from longlag.report.text.terminal import aligned

MOST_BYTES = 60_000
_COLUMNS = ("entry", "before", "after", "solved, change [90 %]", "beats before [90 %]", "p", "detects", "verdict")
_LEGEND = (
    "before, after: solved seeds, median updates to solve; if both sides are tested pair by pair, before has only the "
    "seeds of after. beats before: the probability that a new run ends better than "
    "one of the baseline, 50 % is no change. p: the smallest of three one-sided tests, adjusted where it decided. "
    "detects: effects found with power .8. same: a drop of the solved share over the points named is excluded "
    "(confidence .95), a smaller one is not."
)
_ADJUSTED = "p: of one-sided tests, adjusted for all tests of this table (Holm); better is the smallest of three."
COMPARED = f"{_LEGEND.split(' p: ')[0]} {_ADJUSTED}"
"""How to read the table of `compared` pairs."""


def render_text(report: Report) -> str:
    """Return the check for a terminal."""
    shown, folded = _parted(report)
    called = verdict_names(report.verdicts)
    lines = [report.headline, f"against {report.against}"]
    lines += ["", *(f"BROKEN {rule.rule}: {rule.detail}" for rule in report.broken)] if report.broken else []
    if shown:
        rows = [_row(verdict, called[_key(verdict)]) for verdict in shown]
        columns = {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}
        lines += ["", *aligned(columns, {"entry", "verdict", "p"})]
        lines += ["", *(f"  {called[_key(verdict)]}: {verdict.reason}" for verdict in shown if _is_told(verdict))]
    if folded:
        lines += ["", f"unchanged: {', '.join(sorted(called[_key(verdict)] for verdict in folded))}"]
    lines += ["", *report.notes, *report.advice] if report.notes or report.advice else []
    return "\n".join([*lines, *(["", _LEGEND] if shown else [])]) + "\n"


def render_comparisons(pairs: Sequence[EntryPair]) -> str:
    """Return two sides side by side, without a verdict; entries of one side only come last."""
    called = names([entry for pair in pairs if (entry := pair.new or pair.baseline) is not None])
    tested = compare(pairs)
    rows = [compared(one, called) for one in tested]
    both = {id(one.pair) for one in tested}
    alone = [f"  {pair.label}: {_side_that_holds(pair)}" for pair in pairs if id(pair) not in both]
    lines = []
    if rows:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        lines += [*aligned(columns, {"entry", "differs"}), ""]
    if alone:
        lines += [*alone, ""]
    if rows:
        lines.append(COMPARED)
    return "\n".join(lines) + "\n"


def compared(one: Compared, called: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of a pair by column.

    Args:
        one: The pair, tested.
        called: Names of entries, by key.
    """
    pair, held, adjusted = one
    assert pair.new is not None
    entry, before, after, change, beats = _COLUMNS[:5]
    return {
        entry: called[pair.new.key],
        before: side_text(held.before),
        after: side_text(pair.new),
        change: change_text(held.share),
        beats: beats_text(held.superiority),
        **{f"p worse {name}": p_text(adjusted.worse[name], "") for name in MEASURES},
        "p better": p_text(min(adjusted.better.values()), ""),
        "differs": pair.obstacle,
    }


def _side_that_holds(pair: EntryPair) -> str:
    if pair.baseline and pair.new:
        return "no results on one side"
    return "only before" if pair.baseline else "only after"


def render_markdown(report: Report) -> str:
    """Return the check for a job's summary or a comment, cut to fewer than 60,000 bytes."""
    shown, _ = _parted(report)
    count = len(shown)
    text = _markdown(report, count)
    while len(text.encode()) > MOST_BYTES:
        count = count * 3 // 4
        text = _markdown(report, count)
    return text


def _markdown(report: Report, count: int) -> str:
    """Write at most ``count`` rows, and fold at most four times as many names."""
    shown, folded = _parted(report)
    called = {key: _escaped(name) for key, name in verdict_names(report.verdicts).items()}
    lines = [f"### longlag check {report.headline}", "", f"Against {_escaped(report.against)}", ""]
    broken = report.broken[: max(count, 20)]
    lines += [f"- **broken** {_escaped(rule.rule)}: {_escaped(rule.detail)}" for rule in broken]
    lines += [f"- and {len(report.broken) - len(broken)} more broken"] if len(broken) < len(report.broken) else []
    lines += [""] if broken else []
    if shown[:count]:
        lines += [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
        lines += [_line(_marked(_row(verdict, called[_key(verdict)]))) for verdict in shown[:count]]
        reasoned = [verdict for verdict in shown[:count] if _is_told(verdict)]
        lines += ["", *(f"- {called[_key(verdict)]}: {_escaped(verdict.reason)}" for verdict in reasoned)]
    if len(shown) > count:
        lines += ["", f"{len(shown) - count} more entries are in the JSON."]
    if folded:
        listed = sorted(called[_key(verdict)] for verdict in folded)
        most = 4 * count + 100
        more = [f"- and {len(listed) - most} more"] if len(listed) > most else []
        items = [f"- {name}" for name in listed[:most]] + more
        lines += ["", f"<details><summary>{len(folded)} unchanged</summary>", "", *items, "", "</details>"]
    lines += ["", *(f"{_escaped(line)}  " for line in [*report.notes, *report.advice])]
    words = [f"- **{ruling}**: {EXPLAINED[ruling]}" for ruling in Ruling if report.counts[ruling]]
    legend = [_LEGEND, ""] if shown else []
    lines += ["", "<details><summary>How to read this</summary>", "", *legend, *words, "", "</details>"]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _parted(report: Report) -> tuple[list[Verdict], list[Verdict]]:
    shown = [verdict for verdict in report.verdicts if verdict.ruling is not Ruling.UNCHANGED]
    return shown, [verdict for verdict in report.verdicts if verdict.ruling is Ruling.UNCHANGED]


def _is_told(verdict: Verdict) -> bool:
    """Return whether the reason must be printed below the table, since the row does not show it."""
    return verdict.ruling is not Ruling.SAME or verdict.confirmed is not None


def _key(verdict: Verdict) -> str:
    entry = verdict.pair.new or verdict.pair.baseline
    assert entry is not None
    return entry.key


def _row(verdict: Verdict, name: str) -> tuple[str, ...]:
    held = verdict.deciding
    pair = verdict.pair
    before, after = (pair.baseline, pair.new) if held is None else (held.before, held.new)
    numbers = ("", "", "", "") if held is None else (change_text(held.share), beats_text(held.superiority), "", "")
    if held is not None:
        numbers = (
            *numbers[:2],
            p_text(verdict.p, verdict.measure),
            detects_text(held.detectable, held.detectable_drop),
        )
    return (name, side_text(before), side_text(after), *numbers, verdict_text(verdict))


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict as text, with the drops that it does not exclude."""
    return f"{verdict.ruling}: {verdict.meaning}" if verdict.meaning else str(verdict.ruling)


def side_text(entry: Entry | None) -> str:
    """Write the number of solved seeds and the median updates to solve."""
    if entry is None:
        return "-"
    middle = entry.median_updates
    return f"{entry.solved}/{entry.n}" + (f" in {middle}" if middle is not None else "")


def change_text(effect: Sequence[float]) -> str:
    """Write a change of the solved share with its interval.

    >>> change_text((-0.4, -0.58, -0.22))
    '-40 points [-58, -22]'
    """
    estimate, low, high = (round(100 * value) + 0 for value in effect)
    return f"{estimate:+d} points [{low:+d}, {high:+d}]"


def beats_text(effect: Sequence[float]) -> str:
    """Write a probability of superiority with its interval.

    >>> beats_text((0.21, 0.1, 0.4))
    '21 % [10, 40]'
    """
    estimate, low, high = (round(100 * value) for value in effect)
    return f"{estimate} % [{low}, {high}]"


def p_text(p: float | None, measure: str) -> str:
    """Write a p and its measure.

    >>> p_text(0.0123, "solved"), p_text(2e-12, "updates")
    ('.012 solved', '< 1e-6 updates')
    """
    if p is None:
        return ""
    number = "< 1e-6" if p < 1e-6 else f"{p:.1e}" if p < 0.001 else f"{p:.2g}".replace("0.", ".", 1)
    return f"{number} {measure}".strip()


def detects_text(superiority: float, drop: float | None) -> str:
    """Write the detectable effects.

    >>> detects_text(0.27, 0.21), detects_text(0.27, None)
    ('≤ 27 %, -21 points', '≤ 27 %')
    """
    text = f"≤ {round(100 * superiority)} %"
    return text if drop is None else f"{text}, {-round(100 * drop)} points"


def _marked(row: Sequence[str]) -> list[str]:
    *rest, word = row
    return [*rest, f"**{word}**" if word in (Ruling.REGRESSED, Ruling.NOT_COMPARABLE) else word]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    for sign in ("\\", "|", "*", "_", "`", "<", ">", "[", "]"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
