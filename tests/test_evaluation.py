"""What an evaluation reports, computed again from the outputs that the network gave, by other code."""

from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from longlag import registry
from longlag.training import evaluation
from longlag.values.seeding import stream

TASK = '''
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
import torch
from longlag.tasks.base import Batch, ClassTask, as_tokens

@dataclass(frozen=True)
class Uneven(ClassTask):
    """As many scored steps as chance has it, half of the answers no headline, a few of them rare."""
    version: ClassVar[int] = 3
    reference: ClassVar[str] = "a test"
    tokens: ClassVar[bool] = True
    causal: ClassVar[bool] = False
    reduction: ClassVar[str] = "mean"
    error_name: ClassVar[str] = "wrong"
    input_size: ClassVar[int] = 3
    output_size: ClassVar[int] = 3
    length: ClassVar[int] = 7
    lag: ClassVar[int] = 7
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[dict] = {}

    def floor(self, window):
        return 0.5

    def draw(self, generator, batch_size, held_out=False):
        inputs = generator.integers(3, size=(7, batch_size))
        mask = generator.random((7, batch_size)) < generator.random(batch_size)
        mask[6] = True
        answers = int(mask.sum())
        slices = {"kind": generator.integers(4, size=answers), "rare": (generator.random(answers) < 0.02) * 1}
        return Batch(
            as_tokens(inputs), as_tokens(generator.integers(3, size=answers)), torch.from_numpy(mask),
            slices={name: as_tokens(values) for name, values in slices.items()},
            headline=torch.from_numpy(generator.random(answers) < 0.5) if held_out else None,
        )
'''


@pytest.fixture(scope="module", autouse=True)
def uneven(tmp_path_factory):
    path = tmp_path_factory.mktemp("tasks") / "uneven.py"
    path.write_text(TASK)
    registry.use([path])
    yield
    registry.use(())


class Answering:
    """Answers at random, and keeps what it was asked and what it said."""

    def __init__(self, seed):
        self.layout = self
        self.generator, self.said = torch.Generator().manual_seed(seed), []

    def views(self, row):
        return row

    def outputs(self, views, batch):
        assert batch.decoder_inputs is None
        outputs = torch.randn(int(batch.mask.sum()), 3, generator=self.generator)
        self.said.append((outputs, batch))
        return outputs


def recomputed(said):
    """Return loss, error and slices, an answer at a time."""
    losses, errors, slices = [], [], {}
    for outputs, batch in said:
        headline = [True] * len(outputs) if batch.headline is None else batch.headline.tolist()
        for place, (row, target) in enumerate(zip(outputs.tolist(), batch.targets.tolist(), strict=True)):
            losses.append(log(sum(exp(number) for number in row)) - row[target])
            wrong = float(max(range(3), key=row.__getitem__) != target)
            errors += [wrong] * headline[place]
            for name, values in batch.slices.items():
                slices.setdefault((name, str(values[place].item())), []).append(wrong)
    enough = {key: sum(own) / len(own) for key, own in slices.items() if len(own) >= evaluation.SMALLEST_SLICE}
    return sum(losses) / len(losses), sum(errors) / len(errors), enough


@settings(max_examples=20)
@given(st.integers(1, 300), st.integers(1, 120), st.integers(0, 2**32))
def test_loss_error_and_slices_are_those_of_the_outputs(total, chunk, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "_CHUNK_STEPS", 7 * chunk + seed % 7)
        patch.setattr(evaluation, "EVALUATION_SEQUENCES", total)
        network = Answering(seed)
        found = evaluation.evaluate(network, registry.task("uneven"), torch.zeros(1))
    sizes = [batch.inputs.shape[1] for _, batch in network.said]
    assert sizes == [chunk] * (total // chunk) + [total % chunk] * (total % chunk > 0)
    assume(any(batch.headline.any() for _, batch in network.said))
    loss, error, slices = recomputed(network.said)
    assert (found.loss, found.error) == (pytest.approx(loss, rel=1e-5), pytest.approx(error))
    flat = {(name, label): value for name, of in found.slices.items() for label, value in of.items()}
    assert flat == pytest.approx(slices)


def test_what_is_asked_comes_from_the_streams_of_its_name(monkeypatch):
    """Chunks are cut from streams of their own; evaluation is always the same, each look at confirmation another."""
    monkeypatch.setattr(evaluation, "_CHUNK_STEPS", 70)
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 25)
    monkeypatch.setattr(evaluation, "CONFIRMATION_SEQUENCES", 18)
    task, row = registry.task("uneven"), torch.zeros(1)
    asked = {}
    for name, call in {
        ("evaluation", 0): evaluation.evaluate,
        ("confirmation", 1): lambda *of: evaluation.confirm(*of, 1),
        ("confirmation", 12): lambda *of: evaluation.confirm(*of, 12),
    }.items():
        network = Answering(0)
        call(network, task, row)
        asked[name] = [batch.inputs for _, batch in network.said]
    for (name, index), chunks in asked.items():
        for start, inputs in zip(range(0, 30, 10), chunks, strict=False):
            drawn = task.draw(stream(name, "uneven", 3, start).generator(index), inputs.shape[1], held_out=True)
            assert torch.equal(inputs, drawn.inputs)
    whole = [np.concatenate(chunks, 1)[:, :18].tolist() for chunks in asked.values()]
    assert whole[0] != whole[1] != whole[2] != whole[0]


def test_a_slice_needs_ten_answers():
    found = evaluation._places(torch.tensor([0] * 9 + [1] * 10))
    assert {value: places.tolist() for value, places in found.items()} == {"1": list(range(9, 19))}
