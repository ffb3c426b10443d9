"""Verdicts on data as they come: trials that are lost, seeds that are no prefix of the baseline's, ties, other n."""

from dataclasses import replace

import pytest
from regressions import drawn, setting, solved, stuck

from longlag.regression.judge.comparison import Comparison
from longlag.regression.judge.effects import Pairs
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.procedure import confirmation_seeds, decide
from longlag.regression.judge.verdict import Ruling
from longlag.regression.show.render import side_text
from longlag.stats.exact import boschloo_p, mcnemar
from longlag.values.trial import Status

SEEDS = confirmation_seeds("a hash", range(100))
SCATTERED = (3, 17, 20, 41, 58, 66, 73, 80, 91, 98, 99)
BEFORE = Entry(setting(), tuple(solved(s, 100 + 20 * (s % 7)) if s % 4 else stuck(s) for s in range(100)))


def after(*seeds, **changed):
    """Return the baseline's outcomes of some seeds, others where they are given as ``s12=outcome``."""
    return Entry(BEFORE.setting, tuple(changed.get(f"s{seed}", BEFORE.outcomes[seed]) for seed in seeds))


def ruled(before, new, confirm=None):
    (verdict,) = decide([before], [new], confirm, SEEDS)
    return verdict


def test_scattered_seeds_meet_their_partners_and_not_the_first_of_the_baseline():
    held = Comparison(BEFORE, after(*SCATTERED, s17=stuck(17)), 0.05)
    assert "solved" in held.tests.paired
    assert held.pairs == Pairs(both=sum(s % 4 > 0 for s in SCATTERED) - 1, lost=1, won=0, neither=2)
    assert held.tests.worse["solved"] == pytest.approx(0.5) == mcnemar(1, 0) / 2
    assert [outcome.seed for outcome in held.before.outcomes] == list(SCATTERED)


def test_seeds_of_which_some_have_no_partner_are_two_samples():
    some = (*SCATTERED, 100)
    new = Entry(BEFORE.setting, (*after(*SCATTERED).outcomes, solved(100, 120)))
    held = Comparison(BEFORE, new, 0.05)
    assert not held.tests.paired
    assert held.tests.worse["solved"] == boschloo_p(new.solved, len(some), BEFORE.solved, 100)
    assert held.sizes == (12, 100)


@pytest.mark.parametrize("lost", [Status.FAILED, Status.TIMEOUT])
def test_lost_trials_are_no_results_and_their_partners_are_left_out(lost):
    gone = {f"s{seed}": stuck(seed, None, lost) for seed in (41, 58)}
    held = Comparison(BEFORE, after(*SCATTERED, **gone), 0.05)
    assert (held.new.n, len(held.new.outcomes)) == (9, 11)
    assert held.before.n == 9
    assert side_text(held.new).startswith(f"{held.new.solved}/9")
    assert sum(held.pairs) == 9
    verdict = ruled(BEFORE, after(*SCATTERED, **gone))
    assert verdict.ruling is (Ruling.REGRESSED if lost is Status.FAILED else Ruling.SAME)


def test_too_many_lost_trials_leave_it_inconclusive_whatever_the_rest():
    gone = {f"s{seed}": stuck(seed, None, Status.TIMEOUT) for seed in SCATTERED[4:]}
    verdict = ruled(BEFORE, after(*SCATTERED, **gone))
    assert (verdict.ruling, verdict.more_seeds, verdict.meaning) == (Ruling.INCONCLUSIVE, 1, "")


@pytest.mark.parametrize(
    "outcome", [lambda s: solved(s, 100), lambda s: stuck(s, 0.5), lambda s: stuck(s, 0.5, Status.DIVERGED)]
)
def test_outcomes_that_all_tie_are_no_change(outcome):
    before = Entry(setting(), tuple(outcome(seed) for seed in range(60)))
    for seeds in (range(10), range(100, 110)):
        new = Entry(setting(), tuple(outcome(seed) for seed in seeds))
        held = Comparison(before, new, 0.05)
        assert list(held.tests.worse.values()) == pytest.approx([1.0] * 3)
        assert held.effects == {"solved": 0, "outcome": 0, "updates": 0}
        assert ruled(before, new).ruling in (Ruling.SAME, Ruling.INCONCLUSIVE)


def test_entries_of_other_sizes_have_intervals_of_their_own_sizes():
    shares = [Comparison(drawn(0.75, range(m), "base"), drawn(0.7, range(500, 500 + n), "new"), 0.05) for n, m in
              ((10, 100), (37, 100), (10, 50))]  # fmt: skip
    wide, narrow, fewer = (held.share.high - held.share.low for held in shares)
    assert narrow < wide < fewer
    assert [held.sizes for held in shares] == [(10, 100), (37, 100), (10, 50)]


def test_partly_solved_entries_of_other_sizes_are_judged_together_whatever_their_order():
    cells = ("lstm", "gru", "rnn")
    befores = [
        drawn(share, range(m), "base", cell, cell=cell)
        for share, m, cell in zip((0.9, 0.5, 0.3), (100, 60, 80), cells, strict=True)
    ]
    news = [
        drawn(share, range(200, 200 + n), "new", cell, cell=cell)
        for share, n, cell in zip((0.2, 0.5, 0.3), (7, 12, 31), cells, strict=True)
    ]

    def confirm(asked):
        found = [drawn(0.2, seeds, "fresh", entry.setting.cell, cell=entry.setting.cell) for entry, seeds in asked]
        late = [
            (*entry.outcomes[:25], *(stuck(o.seed, None, Status.TIMEOUT) for o in entry.outcomes[25:]))
            for entry in found
        ]
        return [replace(entry, outcomes=outcomes) for entry, outcomes in zip(found, late, strict=True)]

    one, other = (decide(befores[::way], news[::-way], confirm, SEEDS) for way in (1, -1))
    assert [(v.label, v.ruling, v.reason) for v in one] == [(v.label, v.ruling, v.reason) for v in other]
    assert one[0].ruling is Ruling.REGRESSED
    assert "confirmed on 25 fresh seeds" in one[0].reason
