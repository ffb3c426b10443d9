"""The contract of a task: its batches, the facts that it states, such as floors, and whether they agree."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from longlag import registry
from longlag.checks.batches import answering, check_tensor, same
from longlag.checks.blind import ENOUGH, Blind
from longlag.checks.cost import draw_ratio
from longlag.checks.finding import Finding, Note, expect, findings, global_state_untouched
from longlag.checks.order import order_of_answers
from longlag.checks.targets import last_targets
from longlag.checks.windows import Windows
from longlag.plan.dial import without_dial
from longlag.tasks.base import Batch, Task
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import Range
from longlag.values.seeding import stream

BATCH, _MANY = 6, 64
DRAWN = 10_000
"""The most sequences by which balance and floor are judged."""
_NUMBERS = 3_000_000
"""The most inputs, and outputs, of these sequences."""
_NEEDED = ("shapes", "range", "repeatable", "seeds", "loss", "errors", "floors")
"""Rules that the others depend on."""
_FLOORS = 300
"""The most windows whose floors are compared."""


def check_task(spec: str, timed: bool = True, hunted: bool = True) -> Iterator[Finding]:
    """Check a task's contract.

    Args:
        spec: The task, as users write it.
        timed: Measure its cost as well.
        hunted: Hunt for leaks as well, which takes the longest.

    Raises:
        UsageError: There is no such task.
    """
    task = Drawn(registry.task(spec))
    rules: dict[str, Callable[[], str]] = {
        "shapes": task.shapes,
        "range": task.within_range,
        "global state": task.global_state,
        "repeatable": task.repeatable,
        "seeds": task.seeds,
        "loss": task.loss,
        "errors": task.errors,
        "order": lambda: order_of_answers(task.task),
        "last target": lambda: last_targets(task.task, task.batch(size=_MANY, held_out=True)),
        "floors": task.floors,
        "lag": task.lag,
        "dial": task.dial,
        "balance": task.balance,
        "baseline": task.baseline,
    }
    if task.task.output_sequence:
        rules["decoder"] = task.decoder
    if hunted:
        windows = Windows(task.task)
        rules |= {"leaks": windows.leaks, "windows": windows.windows, "enough": windows.enough}
    if timed:
        rules["cost"] = lambda: draw_ratio(task.task)
    return findings(rules, needed=_NEEDED)


@dataclass(frozen=True)
class Drawn:
    """A task and batches drawn from it."""

    task: Task

    def batch(self, seed: int = 0, update: int = 1, size: int = BATCH, held_out: bool = False) -> Batch:
        """Draw a batch as a run would."""
        return self.task.draw(stream("check", seed).generator(update), size, held_out)

    def outputs(self, batch: Batch) -> Tensor:
        """Make up outputs (N, O)."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(int(batch.mask.sum()), self.task.output_size, generator=generator)

    def shapes(self) -> str:
        """A batch has the promised tensors."""
        for held_out, size in (
            (False, BATCH),
            (True, BATCH),
            (False, BATCH + 3),
        ):  # one may be as large as another axis
            batch = self.batch(size=size, held_out=held_out)
            expect(
                isinstance(batch, Batch), f"draw must return a longlag.tasks.base.Batch, not a {type(batch).__name__}"
            )
            steps = len(batch.mask)
            check_tensor(batch.mask, "mask", torch.bool, (steps, size))
            expect(steps <= self.task.length, f"a batch has {steps} time steps, more than length = {self.task.length}")
            expect(batch.mask.any(0).all(), "some sequences have no scored step in the mask")
            vectors = (steps, size, self.task.input_size)
            if self.task.tokens:
                check_tensor(batch.inputs, "inputs", torch.int64, vectors[:2])
            else:
                check_tensor(batch.inputs, "inputs", torch.float32, vectors)
            scored = int(batch.mask.sum())
            if batch.targets.is_floating_point():
                check_tensor(batch.targets, "targets", torch.float32, (scored, self.task.output_size))
            else:
                check_tensor(batch.targets, "targets", torch.int64, (scored,))
            if batch.lengths is not None:
                check_tensor(batch.lengths, "lengths", torch.int64, (size,))
                late = torch.arange(steps).unsqueeze(1) >= batch.lengths
                expect(not (batch.mask & late).any(), "steps after a sequence's end are scored")
        kind = "tokens" if self.task.tokens else "vectors"
        return f"inputs are {kind} {tuple(batch.inputs.shape)}, {scored} steps of {size} sequences are scored"

    def within_range(self) -> str:
        """Tokens and classes are below the sizes stated, numbers are finite."""
        batch = self.batch(size=200)
        limits = [("inputs", batch.inputs, self.task.input_size), ("targets", batch.targets, self.task.output_size)]
        for name, values, limit in limits:
            expect(values.isfinite().all(), f"{name} are not finite")
            low, high = values.min().item(), values.max().item()
            whole = not values.is_floating_point()
            expect(not whole or 0 <= low <= high < limit, f"{name} run from {low} to {high}, not from 0 to {limit - 1}")
        return "tokens and classes are below the sizes stated, numbers are finite"

    def repeatable(self) -> str:
        """The same stream and update give the same batch, independently of earlier draws."""
        first = self.batch(update=4, size=_MANY)
        for update in (1, 2, 3):
            self.batch(update=update)
        expect(
            same(first, self.batch(update=4, size=_MANY)),
            "the same stream and update give another batch the second time",
        )
        return "the same stream and update give the same batch, independently of earlier draws"

    def seeds(self) -> str:
        """Another seed or update gives another batch."""
        first = self.batch(size=_MANY)
        expect(not same(first, self.batch(seed=1, size=_MANY)), "another seed gives the same batch")
        expect(not same(first, self.batch(update=2, size=_MANY)), "another update gives the same batch")
        return "another seed or another update gives another batch"

    def global_state(self) -> str:
        """Nothing is drawn from global generators, and no setting of the process is changed."""
        return global_state_untouched(lambda: self.batch(size=_MANY), same)  # type: ignore[arg-type]

    def loss(self) -> str:
        """The loss is one number, which depends on every scored step."""
        batch = self.batch()
        outputs = self.outputs(batch).requires_grad_()
        loss = self.task.loss(outputs, batch)
        expect(loss.shape == (), f"the loss is not one number but of shape {tuple(loss.shape)}")
        expect(loss.isfinite(), f"the loss is {loss.item()} for outputs drawn at random")
        (gradient,) = torch.autograd.grad(loss, outputs)
        expect((gradient != 0).any(1).all(), "some scored steps have no effect on the loss")
        return f"one number, on which every scored step has an effect ({self.task.reduction})"

    def errors(self) -> str:
        """Errors are not negative and belong to the same answers as slices; those of right answers are 0."""
        batch = self.batch(size=50)
        errors = self.task.errors(self.outputs(batch), batch)
        expect(errors.ndim == 1 and (errors >= 0).all(), "errors are not one number per answer, 0 or more")
        for name, values in batch.slices.items():
            check_tensor(values, f"slice {name!r}", torch.int64, tuple(errors.shape))
        if batch.headline is not None:
            check_tensor(batch.headline, "headline", torch.bool, tuple(errors.shape))
        right = self.task.errors(answering(self.task, batch.targets), batch).max().item()
        expect(right <= 1e-6, f"right answers have errors of up to {right:.2g}, not 0")
        return f"{len(errors)} answers of 50 sequences, errors 0 or more; right answers have none"

    def floors(self) -> str:
        """Floors fall with the window, from above 0 to 0; the threshold for solved lies below all partial floors."""
        task = self.task
        windows = sorted({round(place * (task.length + 1) / _FLOORS) for place in range(_FLOORS + 1)})
        values = [task.floor(window) for window in windows]
        for (shorter, before), (longer, after) in pairwise(zip(windows, values, strict=True)):
            expect(after <= before, f"the floor of {longer} steps ({after:g}) is above that of {shorter} ({before:g})")
        whole = task.floor(task.length)
        expect(whole == 0, f"the floor of the whole sequence, {task.length} steps, is {whole:g}, not 0")
        expect(task.floor(0) == task.baseline_error > 0, "floor(0) is not the baseline, or not above 0")
        limit = min([task.baseline_error, *task.partial_floors.values()])
        below = f"solved_below = {task.solved_below:g} is not above 0 and under every partial floor ({limit:g})"
        expect(0 < task.solved_below < limit, below)
        return f"fall from {task.baseline_error:.4g} without memory to 0; solved below {task.solved_below:g}"

    def lag(self) -> str:
        """`min_lag` is the smallest window that can solve."""
        task = self.task
        for name, steps in (("lag", task.lag), ("min_lag", task.min_lag)):
            expect(1 <= steps <= task.length, f"{name} is {steps}, not from 1 to the length, {task.length}")
        short, enough = task.floor(task.min_lag - 1), task.floor(task.min_lag)
        expect(enough < task.solved_below <= short, f"min_lag {task.min_lag} is not the smallest window that can solve")
        there, side = self._steps_there(), "from the answer on" if task.looks_ahead else "up to the answer"
        expect(there >= task.min_lag, f"min_lag is {task.min_lag} steps, but there are at most {there} {side}")
        return f"lag {task.lag}, min_lag {task.min_lag} of {task.length} steps"

    def _steps_there(self) -> int:
        """Return the most steps on the side of the windows that any network sees, the answering one included."""
        batch = self.blind.batch
        steps, columns = batch.scored // batch.mask.shape[1], batch.scored % batch.mask.shape[1]
        if not self.task.looks_ahead:
            return int(steps.max()) + 1
        ends = len(batch.mask) if batch.lengths is None else batch.lengths[columns]
        return int((ends - steps).max())

    def dial(self) -> str:
        """The dial makes the distance longer, and batches stay valid."""
        task = self.task
        if not task.dial:
            return f"none, so that --test-lags and longlag horizon refuse it: {without_dial(task)}"
        setting = getattr(task, task.dial)
        near = setting.high if isinstance(setting, Range) else setting
        far = min(2 * near + 2, task.dial_range[1])
        try:
            longer = task.turned(far)
        except UsageError as rule:
            return f"{task.dial}, which cannot be {far}: {rule}"
        Drawn(longer).shapes()
        Drawn(longer).within_range()
        lags, windows = f"from {task.lag} to {longer.lag}", f"from {task.min_lag} to {longer.min_lag}"
        observed = f"{task.dial} from {near} to {far} takes the lag {lags}, min_lag {windows}"
        expect(far == near or (longer.lag > task.lag and longer.min_lag >= task.min_lag), observed)
        return observed

    @cached_property
    def blind(self) -> Blind:
        """Answers without memory, on enough sequences to judge by."""
        return Blind(self.task, self.batch(size=self._enough(), held_out=True))

    def balance(self) -> str:
        """No constant answer beats the floor, neither on all answers nor within a slice."""
        errors, headline, batch = self.blind.constants, self.blind.headline, self.blind.batch
        parts = {"all answers": headline}
        for name, values in batch.slices.items():
            parts |= {f"slice {name} = {value}": headline & (values == value) for value in sorted(set(values.tolist()))}
        if len(batch.targets) == len(headline):  # a slice by the answer itself, where one constant is always right
            parts = {name: part for name, part in parts.items() if (errors[:, part] > 0).any(1).all()}
        judged = [self._unbeaten(name, errors[:, part]) for name, part in parts.items() if part.sum() >= ENOUGH]
        best = judged[0] if judged else math.nan
        slices = f", nor in any of {len(judged) - 1} slices" if len(judged) > 1 else ""
        return (
            f"no constant answer has an error below floor(0), {self.task.floor(0):.3g}{slices}; the best has {best:.3g}"
        )

    def _unbeaten(self, name: str, errors: Tensor) -> float:
        means = errors.mean(1)
        best = int(means.argmin())
        deviation = float(errors[best].std()) / errors.shape[1] ** 0.5
        floor = self.task.floor(0)
        observed = f"{name}: the error of a constant answer, {means[best]:.3g}, is below floor(0), {floor:.3g}"
        wrong = f"{observed}: the floor is too high, or answers are unbalanced"
        expect(means[best] >= floor - 6 * deviation - 1e-6, wrong)
        return float(means[best])

    def baseline(self) -> str:
        """Some answer without memory reaches floor(0); otherwise the floor is too low."""
        way, error, deviation = self.blind.best
        floor, rule = self.task.floor(0), self.task.baseline_rule
        observed = f"the best answer found without memory, {way}, has an error of {error:.3g}; floor(0) is {floor:.3g}"
        if error <= (reached := floor + 4 * deviation + 0.02 * floor):
            drawn = self.blind.batch.mask.shape[1]
            return f"{observed} (up to {reached:.3g} is close enough, for {drawn:,} sequences)"
        expect(rule, f"{observed}: the floor is too low, or baseline_rule must name a better rule")
        return Note(f"{observed}; baseline_rule names a better one, which is not checked: {rule}")

    def _enough(self) -> int:
        scored = int(self.batch(size=8).mask.sum()) // 8
        return max(50, min(DRAWN, _NUMBERS // self.task.length, _NUMBERS // (scored * self.task.output_size)))

    def decoder(self) -> str:
        """Answers are consecutive, and a decoder reads the previous right answer at each of them."""
        for size in (BATCH, BATCH + 3):
            batch = self.batch(size=size)
            asked, first = batch.mask.sum(0), batch.mask.int().argmax(0)
            place = torch.arange(len(batch.mask)).unsqueeze(1) - first
            expect(torch.equal(batch.mask, (place >= 0) & (place < asked)), "the answers to a sequence have gaps")
            expect(first.min() > 0, "a sequence is scored at its first step: a decoder has nothing to read before")
            given = batch.decoder_inputs
            expect(given is not None, "output_sequence is true, but batches have no decoder_inputs")
            assert given is not None
            check_tensor(given, "decoder_inputs", torch.int64, (int(asked.max()), size))
            expected = given.clone()
            expected[0] = self.task.output_size
            later = place[batch.mask] + 1
            within = later < len(given)
            expected[later[within], (batch.scored % size)[within]] = batch.targets[within]
            low, high = int(given.min()), int(given.max())
            expect(0 <= low <= high <= self.task.output_size, f"decoder_inputs run from {low} to {high}")
            first_class = f"decoder_inputs do not begin with class {self.task.output_size}"
            expect(torch.equal(given[0], expected[0]), first_class)
            rows = torch.arange(len(given)).unsqueeze(1) < asked
            expect(torch.equal(given[rows], expected[rows]), "decoder_inputs are not the previous targets")
        return f"decoder_inputs are class {self.task.output_size}, then the previous targets"
