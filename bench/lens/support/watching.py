"""Frames of networks while they train: at the start, at a quarter of the budget, and where training ends."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from longlag.lens.support.named import lens
from longlag.lens.support.sequences import subject_of
from longlag.networks.protocol import AnyNetwork
from longlag.process.guards import one_line
from longlag.values.frames import END, QUARTER, REFUSED, START, Found, Frame, quarter
from longlag.values.trial import Trial, TrialResult

Report = Callable[[TrialResult], None]


class Watch:
    """Takes frames of the trials of a cohort and adds them to each result."""

    def __init__(self, lenses: Sequence[str]) -> None:
        self.lenses = lenses
        self.frames: dict[Trial, list[Frame]] = defaultdict(list)

    def look(self, trial: Trial, update: int, ended: bool, network: AnyNetwork, row: Tensor) -> None:
        """Take the frames that are due at an evaluation; training and its random streams are not affected."""
        phase = phase_at(trial, update, ended)
        if phase is None:
            return
        for one in map(lens, self.lenses):
            try:
                self.frames[trial] += frames_of([one.name()], trial, network, row, phase, update)
            except Exception as error:  # a lens that raises costs its own frame, never the trial
                refused = Found({REFUSED: f"raised {one_line(error)}"})
                self.frames[trial].append(Frame(one.name(), one.version, phase, update, refused))

    def with_frames(self, report: Report) -> Report:
        """Return a report function that adds its trial's frames to each result."""
        return lambda result: report(replace(result, frames=tuple(self.frames.pop(result.trial, ()))))


def phase_at(trial: Trial, update: int, ended: bool) -> str | None:
    """Return the phase for which frames are due at an evaluation; None where none are."""
    if ended:
        return END
    if update == 0:
        return START
    return QUARTER if update == quarter(trial.updates, trial.eval_every) else None


def frames_of(
    lenses: Sequence[str], trial: Trial, network: AnyNetwork, row: Tensor, phase: str, update: int
) -> list[Frame]:
    """Return the frame of each lens for a network; if a lens does not apply, its frame holds the reason.

    Args:
        lenses: The names of lenses.
        trial: The trial.
        network: The trial's network.
        row: (P,), the trial's parameters.
        phase: One of `longlag.values.frames.PHASES`.
        update: Updates done.
    """
    subject = subject_of(trial, network, row)
    frames = []
    for one in map(lens, lenses):
        why = one.refusal(subject)
        seen = Found({REFUSED: why}) if why else one.frame(subject)
        frames.append(Frame(one.name(), one.version, phase, update, seen))
    return frames
