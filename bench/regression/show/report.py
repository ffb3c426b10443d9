"""The result of a check, from which all its formats are written."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from longlag.process.provenance import processor_of
from longlag.regression.judge.baseline import Baseline
from longlag.regression.judge.commands import Commands
from longlag.regression.judge.comparison import points
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.verdict import Ruling, Verdict
from longlag.report.figures import style

EXIT_REGRESSED, EXIT_NOT_COMPARABLE, EXIT_INCONCLUSIVE = 1, 2, 5
COSTLIER = 1.5
"""An entry is reported to cost more above this ratio of its time, or memory, to the baseline's, divided by the median
ratio of the run: far above the variation of these."""
_FEWEST_MEASURED = 3

EXPLAINED = {
    Ruling.REGRESSED: "worse on fresh seeds (Holm, level .01) by at least 20 points of the solved share or .2 in the "
    "probability of superiority; or trials raise; or an invariant is broken",
    Ruling.NOT_COMPARABLE: "another task or cell version, budget or axis than the baseline's, or missing on one side",
    Ruling.INCONCLUSIVE: "looked worse and was not confirmed, or is worse by less than the minimum, or the interval "
    "includes a drop that could be detected (with --margin, one over the margin), or an invariant is broken",
    Ruling.IMPROVED: "better by as much, beyond chance; accepting a new baseline would keep it",
    Ruling.SAME: "not the same numbers: only a drop of the solved share over the points named is excluded (confidence "
    ".95), a smaller one may be there; --margin sets how many points may be left",
    Ruling.UNCHANGED: "every curve is the baseline's to the last digit",
}


@dataclass(frozen=True)
class Invariant:
    """A rule that must hold exactly.

    Attributes:
        rule: The rule in a few words.
        holds: Whether it holds.
        detail: The observation.
    """

    rule: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        study: The study.
        baseline: The baseline that it was compared with.
        verdicts: One per entry, worst first.
        invariants: The rules that were checked exactly.
        strict: Whether inconclusive entries fail.
        confirms: Whether flagged entries were trained on fresh seeds.
        margin: The drop of the solved share, in percentage points, that had to be excluded, if one was given.
        commands: The commands that it suggests.
    """

    study: str
    baseline: Baseline
    verdicts: tuple[Verdict, ...]
    invariants: tuple[Invariant, ...] = ()
    strict: bool = False
    confirms: bool = True
    margin: int | None = None
    commands: Commands | None = None

    @property
    def counts(self) -> Counter[Ruling]:
        """The number of verdicts of each ruling."""
        return Counter(verdict.ruling for verdict in self.verdicts)

    @property
    def broken(self) -> list[Invariant]:
        """Invariants that do not hold."""
        return [invariant for invariant in self.invariants if not invariant.holds]

    @property
    def exit_code(self) -> int:
        """The exit code: regressions take precedence over entries that cannot be compared, these over inconclusive."""
        if self.counts[Ruling.REGRESSED] or self.broken:
            return EXIT_REGRESSED
        if self.counts[Ruling.NOT_COMPARABLE]:
            return EXIT_NOT_COMPARABLE
        return EXIT_INCONCLUSIVE if self.strict and self.counts[Ruling.INCONCLUSIVE] else 0

    @property
    def headline(self) -> str:
        """The whole check in half a line."""
        counts = self.counts
        counted = [f"{counts[ruling]} {ruling}" + self._open(ruling) for ruling in Ruling if counts[ruling]]
        if self.broken:
            counted.insert(0, f"{len(self.broken)} invariant{'s' * (len(self.broken) > 1)} broken")
        words = {EXIT_REGRESSED: "REGRESSED", EXIT_NOT_COMPARABLE: "NOT COMPARABLE", EXIT_INCONCLUSIVE: "INCONCLUSIVE"}
        word = words.get(self.exit_code, "no regression found")
        if self.exit_code == 0 and counts[Ruling.INCONCLUSIVE]:
            word = f"no regression found, {counts[Ruling.INCONCLUSIVE]} undecided"
        return f"{self.study}: {word} ({', '.join(counted)})"

    def _open(self, ruling: Ruling) -> str:
        """Return the drop that is not excluded for entries that are the same; empty for other rulings."""
        held = [verdict.deciding for verdict in self.verdicts if verdict.ruling is ruling is Ruling.SAME]
        left = [points(numbers.excluded_drop) for numbers in held if numbers is not None]
        return f" but for drops up to {max(left)} points" if left else ""

    @property
    def against(self) -> str:
        """The baseline that it was compared with, in words."""
        last = self.baseline.accepted[-1]
        seeds = len(self.baseline.seeds)
        return f"baseline {self.baseline.hash} of {last.when[:10]}, {seeds} seeds: {last.reason}"

    @property
    def advice(self) -> list[str]:
        """Suggestions of what to do next."""
        counts = self.counts
        commands = self.commands or Commands(self.study)
        accept = commands.train_and_accept()
        advice = []
        if self.broken:
            advice.append("A broken invariant is a fault in the code or its documentation; no baseline mends it.")
        elif counts[Ruling.REGRESSED]:
            advice.append(f"If the regression is intended: {accept}")
        elif counts[Ruling.IMPROVED]:
            advice.append(f"To keep the improvement: {accept}")
        if counts[Ruling.NOT_COMPARABLE]:
            advice.append(f"Entries that cannot be compared need a new baseline: {accept}")
        if counts[Ruling.INCONCLUSIVE] and not self.confirms and not self.broken:
            advice.append(
                f"Without --no-confirm, fresh seeds decide on entries that look worse: {commands.check(self.margin)}"
            )
        needed = [_seeds_in_all(v) for v in self.verdicts if v.ruling is Ruling.INCONCLUSIVE and v.more_seeds]
        if needed and self.confirms and not self.broken:
            more = commands.run(max(needed))
            advice.append(f"To decide what is undecided: {more} && {commands.check(self.margin)}")
        return advice

    @property
    def notes(self) -> list[str]:
        """Remarks: another machine, other versions, entries that cost more."""
        return [*_context_notes(self.verdicts), *_processor_notes(self.verdicts), *_cost_notes(self.verdicts)]


def _seeds_in_all(verdict: Verdict) -> int:
    """Return the total number of seeds that would suffice."""
    held = verdict.deciding
    entry = verdict.pair.new if held is None else held.new
    return (len(entry.outcomes) if entry else 0) + (verdict.more_seeds or 0)


def names(entries: Sequence[Entry]) -> dict[str, str]:
    """Return a short name for each entry, by key: cell, clip and task, and more only if two names would be the same."""
    by_key: dict[str, str] = {}
    for tell in (_short, _longer, _longest):
        named = {entry.key: tell(entry) for entry in entries if entry.key not in by_key}
        times = Counter([*named.values(), *by_key.values()])
        by_key |= {key: name for key, name in named.items() if times[name] == 1 or tell is _longest}
    return by_key


def _short(entry: Entry) -> str:
    of = entry.setting
    usual = of.optimizer == "adam"
    parts = (style.cell_label(of.cell), style.clip_label(of.clip), *([] if usual else [of.optimizer]))
    return " · ".join([*parts, of.task.partition(":")[0]])


def _longer(entry: Entry) -> str:
    return " · ".join([_short(entry).rpartition(" · ")[0], style.task_label(entry.setting.task)])


def _longest(entry: Entry) -> str:
    of = entry.setting
    return f"{_longer(entry)} · lr {of.lr:g}, {of.hidden_size} units, {of.updates} updates"


def verdict_names(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Return the short names of the verdicts' entries, by key."""
    return names([entry_of(verdict) for verdict in verdicts])


def entry_of(verdict: Verdict) -> Entry:
    """Return the entry after, or, if it is gone, the entry before."""
    entry = verdict.pair.new or verdict.pair.baseline
    assert entry is not None
    return entry


def _context_notes(verdicts: Sequence[Verdict]) -> list[str]:
    contexts: dict[str, None] = {}
    for verdict in verdicts:
        pair = verdict.pair
        if pair.baseline is not None and pair.new is not None and verdict.ruling is not Ruling.UNCHANGED:
            contexts |= dict.fromkeys(_differing(pair.baseline, pair.new))
    return (
        [f"Other machine or versions than the baseline's ({', '.join(contexts)}): curves need not be equal."]
        if contexts
        else []
    )


def _processor_notes(verdicts: Sequence[Verdict]) -> list[str]:
    new = [verdict.pair.new for verdict in verdicts if verdict.pair.new is not None]
    types = sorted({processor_of(dict(context)) for entry in new for context in entry.contexts} - {"unknown"})
    return (
        [f"Mixed processors made the new trials ({', '.join(types)}): curves need not be equal."] if types[1:] else []
    )


def _differing(baseline: Entry, new: Entry) -> list[str]:
    before, after = (_merged(entry) for entry in (baseline, new))
    return [
        f"{name} {' or '.join(sorted(after[name]))}, was {' or '.join(sorted(before.get(name, {'unknown'})))}"
        for name in sorted(after)
        if before.get(name) != after[name]
    ]


def _merged(entry: Entry) -> Mapping[str, set[str]]:
    by_name: dict[str, set[str]] = {}
    for context in entry.contexts:
        for name, value in context:
            by_name.setdefault(name, set()).add(value)
    return by_name


def time_ratios(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Return the change of each entry's time per update relative to the run's median, by key; empty for few entries.

    The speed of the machine cancels out in these ratios.
    """
    return _ratios(verdicts, lambda entry: entry.seconds_per_update)


def memory_ratios(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Return the same for the memory of a gradient, to one decimal place, since memory is measured in pages."""
    return {key: round(ratio, 1) for key, ratio in _ratios(verdicts, lambda entry: entry.memory_bytes).items()}


def _ratios(verdicts: Sequence[Verdict], cost: Callable[[Entry], float | None]) -> dict[str, float]:
    ratios = {}
    for verdict in verdicts:
        before, after = verdict.pair.baseline, verdict.pair.new
        if before is None or after is None or verdict.pair.obstacle:
            continue
        if (new := cost(after)) and (old := cost(before)):
            ratios[after.key] = new / old
    if len(ratios) < _FEWEST_MEASURED:
        return {}
    middle = median(ratios.values())
    return {key: ratio / middle for key, ratio in ratios.items()}


def _cost_notes(verdicts: Sequence[Verdict]) -> list[str]:
    called = verdict_names(verdicts)
    times = _costlier(called, time_ratios(verdicts), "Slower: {name} takes {ratio:.1f} times as long")
    memory = _costlier(called, memory_ratios(verdicts), "Larger: {name} takes {ratio:.1f} times as much memory")
    return [f"{line} as in the baseline, relative to the other entries (no verdict)." for line in (*times, *memory)]


def _costlier(called: Mapping[str, str], ratios: Mapping[str, float], line: str) -> list[str]:
    above = sorted((-ratio, called[key]) for key, ratio in ratios.items() if ratio > COSTLIER)
    return [line.format(name=name, ratio=-ratio) for ratio, name in above]
