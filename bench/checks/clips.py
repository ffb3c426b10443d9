"""The contract of a clipping setting, checked on artificial gradients of many sizes and in a short run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from longlag import registry
from longlag.cells.gru import Gru
from longlag.checks.finding import Finding, expect, findings, global_state_untouched
from longlag.checks.trials import short_run
from longlag.clips.base import Clip, Context, row_norms
from longlag.networks.recurrent import Network
from longlag.tasks.support.options import required
from longlag.training.gradients import write_gradients
from longlag.values.backward import PLAIN, Backward
from longlag.values.layout import Layout
from longlag.values.seeding import stream

SIZES = (1e-12, 0.01, 1.0, 3.0, 1e4)
"""Norms of the rows, so that any threshold lies between some of them."""
PAST = 120
"""The number of updates after which a clip with a memory is checked again."""
THRESHOLD = "0.5"
"""The value of every threshold that a spec leaves out."""


def complete_spec(spec: str) -> str:
    """Return a clip's spec, with thresholds if it is only a name."""
    if ":" in spec or "+" in spec:
        return spec
    name = spec.strip()
    return ":".join([name, *[THRESHOLD] * len(required(registry.find("clip", name)))])


def check_clip(spec: str) -> Iterator[Finding]:
    """Check a clip's contract.

    Args:
        spec: The clip, as users write it; a name alone is checked at 0.5.

    Raises:
        UsageError: There is no such clip.
    """
    spec = complete_spec(spec)
    rows = Rows(registry.clip(spec), Network(Gru(), 3, 2, 5).layout)
    rules: dict[str, Callable[[], str]] = {
        "shape": rows.shape,
        "promise": rows.promise,
        "watch": rows.watch,
        "memory": rows.memory,
        "rows": rows.company,
        "padding": rows.padding,
        "inert": rows.inert,
        "not finite": rows.not_finite,
        "determinism": rows.determinism,
        "global state": rows.global_state,
        "run": lambda: short_run(spec),
    }
    if rows.clip.signal_limit < inf or rows.clip.omega:
        rules["inside"] = lambda: inside(rows.clip)
    return findings(rules, needed=("shape",))


def inside(clip: Clip) -> str:
    """A clip inside the backward pass changes one trial's gradient; the trials beside it keep theirs."""
    task = registry.task("adding:length=20")
    network = Network.for_task(Gru(), task, 6)
    row = torch.from_numpy(network.initial_row(0)).float()
    drawn = task.draw(stream("check", "batch").generator(), 4)
    backwards = [PLAIN, Backward(signal_limit=clip.signal_limit, omega=clip.omega), PLAIN]
    gradients = torch.zeros(3, len(row))
    write_gradients(network, task, row.expand(3, -1), gradients, [drawn] * 3, backwards=backwards)
    expect(torch.equal(gradients[0], gradients[2]), "it changes the backward pass of another trial")
    plain, ours = row_norms(gradients[:2]).tolist()
    if torch.equal(gradients[0], gradients[1]):
        return f"leaves a small network's gradient of norm {plain:.2g} as it is"
    return f"changes a gradient of norm {plain:.2g} to one of norm {ours:.2g}; other trials keep theirs"


@dataclass(frozen=True)
class Rows:
    """A clip and the layout of its rows."""

    clip: Clip
    layout: Layout

    def gradients(self, dtype: torch.dtype = torch.float64, sizes: tuple[float, ...] = SIZES) -> Tensor:
        """Make rows of these norms, zero in the padding."""
        rows = torch.zeros(len(sizes), self.layout.row_size, dtype=torch.float64)
        generator = stream("check", "gradients").generator()
        for row in rows:
            for view in self.layout.views(row).values():
                view.copy_(torch.from_numpy(generator.standard_normal(view.shape)))
        scales = torch.tensor(sizes, dtype=torch.float64) / row_norms(rows)
        return (rows * scales.unsqueeze(1)).to(dtype)

    def context(self, raw: Tensor) -> Context:
        """Make the context of a clip before the first update."""
        parameters = self.gradients(raw.dtype, (3.0,)).flip(1).expand_as(raw).clone()
        return Context(
            self.layout,
            parameters,
            torch.zeros(len(raw), max(self.clip.memory_size(self.layout), 1), dtype=torch.float64),
        )

    def clipped(self, raw: Tensor, context: Context | None = None) -> Tensor:
        """Return raw gradients after clipping."""
        context = context or self.context(raw)
        norms, taken = row_norms(raw), raw.clone()
        self.clip.observe(raw, norms, context)
        self.clip.apply(taken, norms, context)
        return taken

    def kept(self, raw: Tensor, change: Callable[[Tensor], Tensor] = lambda taken: taken) -> list[bool]:
        """Clip, change the clipped gradients, and return the verdict of `holds`."""
        context = self.context(raw)
        taken = change(self.clipped(raw, context))
        verdicts = self.clip.holds(raw, taken, row_norms(raw), row_norms(taken), context)
        tensor = isinstance(verdicts, Tensor)
        returned = f"{verdicts.dtype} of shape {tuple(verdicts.shape)}" if tensor else f"a {type(verdicts).__name__}"
        one_a_row = tensor and verdicts.dtype == torch.bool and verdicts.shape == (len(raw),)
        expect(one_a_row, f"holds() must return a tensor of {len(raw)} bools, one per row, not {returned}")
        return [bool(one) for one in verdicts]

    def shape(self) -> str:
        """Gradients are changed in place, and `holds` returns a value for each row."""
        for dtype in (torch.float32, torch.float64):
            raw = self.gradients(dtype)
            context, norms = self.context(raw), row_norms(raw)
            before = context.parameters.clone()
            self.clip.observe(raw, norms, context)
            returned: object = self.clip.apply(raw, norms, context)
            expect(returned is None, "apply() must change the gradients in place and return nothing")
            expect(torch.equal(norms, row_norms(self.gradients(dtype))), "apply() changes the norms it is given")
            expect(torch.equal(before, context.parameters), "apply() changes the parameters")
            for size, row in zip(SIZES, raw, strict=True):
                expect(row.isfinite().all(), f"apply() turns a gradient of norm {size:g} into one that is not finite")
            self.kept(self.gradients(dtype))
        return "changes the gradients in place and nothing else, float32 and float64"

    def promise(self) -> str:
        """`holds` accepts the gradients that `apply` makes."""
        for dtype in (torch.float32, torch.float64):
            for place, kept in enumerate(self.kept(self.gradients(dtype))):
                expect(kept, f"holds() does not accept what apply() makes of a gradient of norm {SIZES[place]:g}")
        expect(all(self.kept(torch.zeros(2, self.layout.row_size))), "holds() does not accept a gradient of zeros")
        return (
            f"holds() accepts what apply() makes of gradients of norms {', '.join(f'{size:g}' for size in SIZES)} and 0"
        )

    def watch(self) -> str:
        """`holds` rejects a gradient that breaks the promise, in its row only."""
        raw = self.gradients()
        expect(all(self.kept(raw)), "cannot be checked while holds() does not accept what apply() makes")
        places = [place for place, drops in enumerate(self.clip.dropped(row_norms(raw)).tolist()) if not drops]
        for place in places:
            longer = torch.ones(len(raw), 1)
            longer[place] = 1.5
            kept = self.kept(raw, lambda taken, longer=longer: taken * longer)  # type: ignore[misc]
            size = f"of norm {SIZES[place]:g}"
            expect(not kept.pop(place), f"holds() accepts a gradient {size} half as long again as promised")
            expect(all(kept), "holds() rejects rows because of another row")
        return "holds() rejects a gradient that is not the promised one, and no other row"

    def memory(self) -> str:
        """After many updates the promise holds, too, and a gradient that breaks it is rejected."""
        if not self.clip.memory_size(self.layout):
            return "remembers nothing of a trial"
        generator = stream("check", "past").generator()
        raw = self.gradients()
        context = self.context(raw)
        for size in generator.lognormal(0, 0.3, PAST):
            self.clipped(raw / row_norms(raw).unsqueeze(1) * float(size), context)
        taken, norms = self.clipped(raw, context), row_norms(raw)
        kept = self.clip.holds(raw, taken, norms, row_norms(taken), context)
        longer = taken * 1.5
        seen = ~self.clip.holds(raw, longer, norms, row_norms(longer), context) | self.clip.dropped(norms)
        expect(kept.all(), f"holds() does not accept what apply() makes after {PAST} updates")
        expect(seen.all(), f"holds() accepts a gradient half as long again as promised after {PAST} updates")
        acted = int((row_norms(taken) < norms).sum())
        observed = f"after {PAST} updates of norms about 1 it changes {acted} of {len(raw)} gradients"
        return f"{observed}, and holds() checks them"

    def company(self) -> str:
        """A row is clipped to the same bytes in any company."""
        raw = self.gradients(torch.float32)
        together = self.clipped(raw)
        for place in range(len(raw)):
            alone = self.clipped(raw[place : place + 1])[0]
            expect(torch.equal(alone, together[place]), "a row alone is clipped to other bytes than beside others")
        expect(torch.equal(self.clipped(raw.flip(0)), together.flip(0)), "the order of rows matters")
        return "a row is clipped to the same bytes alone, beside others and in another order"

    def padding(self) -> str:
        """Zeros between tensors stay zeros."""
        taken = self.clipped(self.gradients())
        for row in taken:
            for view in self.layout.views(row).values():
                view.zero_()
        expect((taken == 0).all(), "the padding between tensors does not stay zero")
        return "the padding between tensors stays zero"

    def inert(self) -> str:
        """Report the norm from which the clip acts."""
        sizes = tuple(10.0**power for power in range(-12, 13))
        raws = [self.gradients(sizes=(size,)) for size in sizes]
        acted = [size for size, raw in zip(sizes, raws, strict=True) if not torch.equal(self.clipped(raw), raw)]
        if not acted:
            idle = required(type(self.clip)) and not self._acts_elsewhere()
            expect(not idle, "does nothing to gradients of norms from 1e-12 to 1e12, though it has a threshold")
            return "leaves gradients of norms from 1e-12 to 1e12 as they are, each the first of its trial"
        if acted[0] == sizes[0]:
            return "acts on gradients of every size, of norm 1e-12 too"
        return f"leaves small gradients as they are; acts from about norm {acted[0]:g} on"

    def _acts_elsewhere(self) -> bool:
        """Return whether it works inside the backward pass, drops or replaces gradients, or acts only with a memory."""
        if self.clip.in_backward or self.clip.guards or self.clip.drops:
            return True
        context = self.context(self.gradients(sizes=(1.0,)))
        for size in (*[1.0] * PAST, 1e-6, 1e6):
            raw = self.gradients(sizes=(size,))
            if not torch.equal(self.clipped(raw, context), raw):
                return True
        return False

    def not_finite(self) -> str:
        """A row that is not finite changes no other row."""
        effects = []
        for value in (float("nan"), float("inf")):
            raw = self.gradients()
            expected = self.clipped(raw)
            raw[2, 0] = value
            taken = self.clipped(raw)
            others = [0, 1, 3, 4]
            expect(torch.equal(taken[others], expected[others]), f"a {value} in one row changes other rows")
            dropped = self.clip.drops and bool(self.clip.dropped(row_norms(raw))[2])
            stays = "finite" if taken[2].isfinite().all() else "not finite"
            effects.append(f"{value} " + ("drops the update" if dropped else f"leaves a row that is {stays}"))
        return ", ".join(effects) + "; other rows do not change"

    def determinism(self) -> str:
        """Equal gradients give equal bytes."""
        raw = self.gradients()
        first = self.clipped(raw)
        self.clipped(self.gradients(sizes=(1e3,)))  # after other calls, which may have left state behind
        expect(torch.equal(first, self.clipped(raw)), "the same gradients are clipped otherwise the second time")
        return "the same bytes every time"

    def global_state(self) -> str:
        """Nothing is drawn from global generators, and no setting of the process is changed."""
        return global_state_untouched(lambda: self.clipped(self.gradients()), torch.equal)  # type: ignore[arg-type]
