"""Each invariant holds as the code is, and is seen to break when a change is planted in what it looks at."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from longlag.checks.finding import BrokenRuleError
from longlag.plan import files
from longlag.process.state import arithmetic
from longlag.regression.judge import invariants, recomputed
from longlag.regression.selftest import patches, plants
from longlag.stats import intervals
from longlag.tasks.copy import Copy
from longlag.training import evaluation
from longlag.training.cohort import Cohort
from longlag.training.stopping import Record
from longlag.values.layout import Layout
from longlag.values.seeding import Stream, stream
from longlag.values.trial import Trial

LSTM = Trial("copy:items=2,symbols=4,blanks=5", "lstm", "norm:1", 0.03, 0, hidden_size=16, batch_size=16)
SHORT = replace(LSTM, updates=50)


@pytest.fixture(autouse=True)
def as_training_does():
    with arithmetic():
        yield


def test_every_invariant_of_the_study_that_checks_us_holds():
    findings = invariants.check_invariants(files.find("ci").trials(), [(9, 10), (0, 5), (10, 10)])
    assert [finding.line for finding in findings if not finding.ok] == []
    rules = {finding.rule.partition(" ")[0] for finding in findings}
    assert rules == {"clipping", "floor", "sequences", "evaluation", "parameters", "gradients", "intervals"}


@pytest.mark.parametrize("plant", [patches.clip_first, patches.clip_jointly])
def test_a_clip_that_does_not_act_on_its_trial_is_seen(plant):
    with plant(), pytest.raises(BrokenRuleError, match=r"a step takes a gradient of norm .*, not of"):
        invariants.clipping_acts()


def test_a_task_whose_answer_is_in_plain_sight_is_seen(monkeypatch):
    monkeypatch.setattr(Copy, "floor", lambda task, window: 0.9)
    with pytest.raises(BrokenRuleError, match=r"the floor is 0\.9"):
        invariants.blind_stays_above(LSTM.task)


def test_evaluations_on_a_stream_of_training_are_seen(monkeypatch):
    monkeypatch.setattr(
        evaluation, "stream", lambda name, spec, version, start: stream("batches", spec, version, start)
    )
    with pytest.raises(BrokenRuleError, match="evaluations draw from a stream of training"):
        invariants.sequences_are_new(SHORT)


def test_batches_that_come_again_are_seen(monkeypatch):
    generator = Stream.generator
    monkeypatch.setattr(Stream, "generator", lambda self, index=0: generator(self, index % 4))
    with pytest.raises(BrokenRuleError, match="50 updates of two seeds draw 8 different batches"):
        invariants.sequences_are_new(SHORT)


def test_training_on_what_is_held_out_is_seen(monkeypatch):
    def leaking(cohort):
        for seed in sorted(cohort.draws.streams):
            cohort.task.draw(cohort.draws.streams[seed].generator(cohort.update), 2, held_out=True)

    monkeypatch.setattr(Cohort, "_batches", leaking)
    with pytest.raises(BrokenRuleError, match="training draws sequences that are kept out of it"):
        invariants.sequences_are_new(SHORT)


def test_evaluations_on_what_training_may_see_are_seen(monkeypatch):
    def chunks(task, name, index, total, like):
        yield task.draw(stream(name).generator(index), 10)

    monkeypatch.setattr(evaluation, "_chunks", chunks)
    with pytest.raises(BrokenRuleError, match="evaluations draw as training does"):
        invariants.sequences_are_new(SHORT)


def half(evaluate):
    def of_half(*given):
        with patch.object(evaluation, "EVALUATION_SEQUENCES", evaluation.EVALUATION_SEQUENCES // 2):
            return evaluate(*given)

    return of_half


def twice(evaluate):
    def doubled(*given):
        found = evaluate(*given)
        return replace(found, error=2 * found.error)

    return doubled


@pytest.mark.parametrize("fault", [half, twice])
def test_an_evaluation_that_gives_another_error_than_the_outputs_is_seen(monkeypatch, fault):
    monkeypatch.setattr(evaluation, "_evaluate", fault(evaluation._evaluate))
    with pytest.raises(BrokenRuleError, match=r"the error of a network is .*, but its outputs give"):
        recomputed.error_is_that_of_outputs(LSTM)


def test_a_trained_error_that_is_not_that_of_the_outputs_is_seen(monkeypatch):
    monkeypatch.setattr(evaluation, "_evaluate", twice(evaluation._evaluate))
    with pytest.raises(BrokenRuleError, match=r"the error of a network is .*, but its outputs give"):
        recomputed.trained_error_is_that_of_its_outputs()


def test_answers_that_do_not_count_and_count_all_the_same_are_seen(monkeypatch):
    chunks = evaluation._chunks
    monkeypatch.setattr(
        evaluation, "_chunks", lambda *given: (replace(batch, headline=None) for batch in chunks(*given))
    )
    agreement = next(trial for trial in files.find("ci").trials() if trial.task.startswith("agreement"))
    with pytest.raises(BrokenRuleError, match="its outputs give"):
        recomputed.error_is_that_of_outputs(agreement)


def test_a_network_that_is_called_solved_without_being_confirmed_is_seen(monkeypatch):
    told = {"confirmed_error": 0.0, "updates_to_solve": 20}
    monkeypatch.setattr(Record, "_below", lambda record, place: len(record._curve) >= -place)
    monkeypatch.setattr(Record, "_look_closer", lambda record, row: setattr(record, "_solved", told))
    with pytest.raises(BrokenRuleError, match="a network ends solved, with errors"):
        recomputed.trained_error_is_that_of_its_outputs()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("share_interval", lambda count, n: intervals.score_interval(count / n, n)),
        ("share_interval", lambda count, n: None),
        ("score_interval", lambda share, n, confidence: (share, share)),
    ],
)
def test_an_interval_that_does_not_solve_its_equation_is_seen(monkeypatch, name, fault):
    monkeypatch.setattr(intervals, name, fault)
    with pytest.raises(BrokenRuleError, match=r"interval of 9 of 10 is .*, but its equation gives"):
        recomputed.intervals_solve_their_equations([(9, 10)])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_parameter_more_than_stated_is_seen(monkeypatch, cell):
    counted = Layout.num_parameters.fget
    monkeypatch.setattr(Layout, "num_parameters", property(lambda layout: counted(layout) + 1))
    with pytest.raises(BrokenRuleError, match="parameters, documented are"):
        invariants.parameters_as_stated(replace(LSTM, cell=cell))


def test_a_tensor_without_a_gradient_is_seen(monkeypatch):
    backward = invariants._backward

    def without_bias(trial, seeds=(0,)):
        cohort = backward(trial, seeds)
        next(slot for slot in cohort.network.layout.slots if slot.name == "0.bias").view(cohort.gradients[0]).zero_()
        return cohort

    monkeypatch.setattr(invariants, "_backward", without_bias)
    with pytest.raises(BrokenRuleError, match=r"no gradient reaches 0\.bias"):
        invariants.parameters_as_stated(LSTM)


def test_learned_initial_states_are_parameters_too():
    plain, learned = (
        invariants.parameters_as_stated(replace(LSTM, initial_state=state)).split()[0] for state in ("zeros", "learned")
    )
    assert int(learned) == int(plain) + 2 * LSTM.hidden_size


@pytest.mark.parametrize(
    ("plant", "cell"),
    [("swapped-gates", "lstm"), ("swapped-gates", "gru"), ("flat-tanh", "rnn"), ("early-steps", "gru")],
)
def test_a_wrong_derivative_in_a_kernel_is_seen(plant, cell):
    with plants.PLANTS[plant].patch(), pytest.raises(BrokenRuleError, match="the kernel's gradient is off by"):
        invariants.kernel_as_readable(replace(LSTM, cell=cell))
