"""Tasks with an output sequence: reverse and translate by hand, and what their contract refuses."""

from dataclasses import dataclass, replace

import pytest
import torch
from hunting import counting

from longlag.checks.tasks import Drawn
from longlag.tasks.reverse import Reverse
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import Range
from longlag.tasks.translate import Translate
from longlag.values.seeding import stream


def draw(task, size=50, update=1):
    return task.draw(stream("test", task.spec).generator(update), size)


def columns(task, batch):
    """Read each sequence as a person would: what stands before the mark, what is asked for, what the decoder reads."""
    found = []
    for place in range(batch.inputs.shape[1]):
        tokens = batch.inputs[:, place].tolist()
        mark = tokens.index(task.input_size - 1)
        answers = [
            target
            for target, at in zip(batch.targets.tolist(), batch.scored.tolist(), strict=True)
            if at % batch.inputs.shape[1] == place
        ]
        asked = batch.mask[:, place].nonzero().flatten().tolist()
        assert asked == list(range(mark, mark + len(answers))), "the writing begins at the mark, a symbol a step"
        assert set(tokens[mark + 1 :]) <= {task.input_size - 2}
        told = batch.decoder_inputs[: len(answers), place].tolist()
        found.append((tokens[:mark], answers, told))
    return found


@pytest.mark.parametrize("items", [Range(5, 5), Range(1, 6)])
def test_reverse_asks_for_the_items_from_the_last_to_the_first(items):
    task = Reverse(items=items, symbols=7)
    batch = draw(task)
    lengths = set()
    for place, (read, answers, told) in enumerate(columns(task, batch)):
        assert answers == read[::-1]
        assert told == [7, *answers[:-1]]
        assert batch.lengths is None or batch.lengths[place] == 2 * len(read)
        lengths.add(len(read))
    assert lengths == set(range(items.low, items.high + 1))
    assert (batch.lengths is None) == (items.low == items.high)


def test_translate_asks_for_each_word_in_its_place():
    task = Translate(items=4, words=5)
    for read, answers, told in columns(task, draw(task)):
        assert answers == [4 - word for word in read]
        assert told == [5, *answers[:-1]]


def test_an_answer_of_reverse_lies_twice_its_place_and_one_step_behind_its_item():
    task = Reverse(items=Range(4, 4), symbols=100)
    batch = draw(task, 1)
    for step, target in zip(batch.scored.tolist(), batch.targets.tolist(), strict=True):
        back = 2 * (step - 4) + 1
        assert batch.inputs[step - back, 0] == target
    assert batch.slices["lag_at_least"].tolist() == [1, 2, 4, 4]
    assert (task.lag, task.min_lag, task.length) == (7, 8, 8)


@pytest.mark.parametrize(("window", "floor"), [(0, 0.75), (1, 0.75), (2, 0.5), (3, 0.5), (4, 0.25), (6, 0.0)])
def test_a_window_of_reverse_knows_half_as_many_answers(window, floor):
    assert Reverse(items=Range(3, 3), symbols=4).floor(window) == pytest.approx(floor)


def test_a_window_of_reverse_knows_all_of_the_short_sequences():
    task = Reverse(items=Range(1, 3), symbols=2)
    assert [task.floor(window) for window in (0, 2, 4, 6)] == pytest.approx([0.5, 0.25, 0.5 / 6, 0.0])


def test_neither_is_solved_by_all_items_but_one():
    for task in (Reverse(items=Range(100, 100)), Translate(items=100)):
        assert task.solved_below == pytest.approx(0.5 * 0.875 / 100)
    assert Reverse(items=Range(1, 1)).partial_floors == Translate(items=1).partial_floors == {}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"items": Range(0, 3)}, "items must be from 1 to 10000, not 0"),
        ({"symbols": 1}, "symbols must be from 2 to 1000, not 1"),
    ],
)
def test_settings_without_a_question_are_refused(spec, said):
    with pytest.raises(UsageError, match=said):
        Reverse(**spec)


# What the contract finds


@dataclass(frozen=True)
class Broken(Reverse):
    """Reverse with something else for a decoder to read."""

    def draw(self, generator, batch_size, held_out=False):
        return self.broken(super().draw(generator, batch_size, held_out))


class Untold(Broken):
    def broken(self, batch):
        return replace(batch, decoder_inputs=None)


class TellsTheAnswer(Broken):
    def broken(self, batch):
        return replace(batch, decoder_inputs=batch.targets.reshape(batch.decoder_inputs.shape))


class TellsTheAnswerLater(Broken):
    def broken(self, batch):
        told = batch.targets.reshape(batch.decoder_inputs.shape).clone()
        told[0] = self.output_size
        return replace(batch, decoder_inputs=told)


class Gaps(Broken):
    def broken(self, batch):
        mask = batch.mask.clone()
        mask[-2] = False
        return replace(batch, mask=mask)


class AsksAtOnce(Broken):
    def broken(self, batch):
        return replace(batch, mask=batch.mask.flip(0))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Untold, "batches have no decoder_inputs"),
        (TellsTheAnswer, "decoder_inputs do not begin with class 8"),
        (TellsTheAnswerLater, "decoder_inputs are not the previous targets"),
        (Gaps, "the answers to a sequence have gaps"),
        (AsksAtOnce, "a sequence is scored at its first step"),
    ],
)
def test_a_decoder_that_is_told_wrong_is_found(made, said):
    with pytest.raises(Exception, match=said):
        Drawn(made()).decoder()
    assert Drawn(Reverse()).decoder().startswith("decoder_inputs are class 8")


def test_what_a_decoder_reads_tells_nothing_of_the_next_symbol():
    task = Reverse(items=Range(3, 3), symbols=3)
    batch = draw(task, 6000)
    columns = torch.arange(6000).repeat(3).numpy()
    look = (batch.decoder_inputs + 4 * torch.arange(3).unsqueeze(1)).flatten().numpy()
    assert counting(look, batch.targets.numpy(), columns, 3).agrees_with(task.floor(0))
    assert not counting(batch.targets.numpy(), batch.targets.numpy(), columns, 3).agrees_with(task.floor(0))
