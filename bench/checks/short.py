"""The short check: a few rules of a plugin's contract, in a second or two, before a study first trains with it."""

from collections.abc import Callable, Iterable, Iterator

from longlag import registry
from longlag.cells.gru import Gru
from longlag.checks import clips, optimisers, schedules
from longlag.checks.cells import CheckedLayer
from longlag.checks.clips import complete_spec
from longlag.checks.finding import Finding, findings
from longlag.checks.order import order_of_answers
from longlag.checks.tasks import Drawn
from longlag.checks.trials import two_updates
from longlag.networks.recurrent import Network
from longlag.registry.plugins import Plugin
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.spelling import clip_parts
from longlag.values.trial import Trial

SECONDS = 20.0
"""The time limit of a rule; a rule that takes longer is not judged here."""

Rules = dict[str, Callable[[], str]]


def used_by(trials: Iterable[Trial]) -> dict[str, tuple[Plugin, str]]:
    """Return the plugins of trials, by label, each with a spec that names it."""
    by_label: dict[str, tuple[Plugin, str]] = {}
    for kind, spec in dict.fromkeys(pair for trial in trials if trial.plugins for pair in trial.specs):
        for part in clip_parts(spec) if kind == "clip" else [spec]:
            for made in registry.plugins_of([(kind, part)]):
                by_label.setdefault(made.label, (made, part))
    return by_label


def refuse_broken(plugin: Plugin, spec: str) -> None:
    """Run the short check on a plugin.

    Args:
        plugin: The plugin.
        spec: A spec that names it.

    Raises:
        UsageError: It breaks a rule; the message names the rule, and the command that checks all rules.
    """
    broken = next((one for one in short_check(plugin.kind, spec) if one.ok is False and not one.slow), None)
    if broken is None:
        return
    named = "" if plugin.origin.module else f" --plugin {plugin.path}"
    whole = f"longlag check-{plugin.kind} {plugin.name}{named}"
    what = f"plugin {plugin.path}: {plugin.kind} {spec} breaks the rule {broken.rule!r}: {broken.detail}"
    raise UsageError(f"{what}; {whole} checks all rules, --unchecked trains it as it is")


def short_check(kind: str, spec: str) -> Iterator[Finding]:
    """Run the rules that are quick to check and on which all numbers of a study depend."""
    rules = _RULES[kind](spec)
    return findings(rules, needed=tuple(rules), seconds=SECONDS)


def _cell(spec: str) -> Rules:
    layer = CheckedLayer(registry.cell(spec))
    return {
        "determinism": layer.determinism,  # first, while nothing else can have left anything behind
        "global state": layer.global_state,
        "shapes": layer.shapes,
        "causality": layer.causality,
        "batch": layer.batch,
        "learns": layer.learns,
        "training": lambda: two_updates(cell=spec),
    }


def _clip(spec: str) -> Rules:
    try:  # at a threshold at which it acts, whatever the study's
        made = registry.clip(complete_spec(spec.partition(":")[0]))
    except UsageError:
        made = registry.clip(spec)
    rows = clips.Rows(made, Network(Gru(), 3, 2, 5).layout)
    return {
        "shape": rows.shape,
        "promise": rows.promise,
        "watch": rows.watch,
        "rows": rows.company,
        "inert": rows.inert,
        "determinism": rows.determinism,
    }


def _task(spec: str) -> Rules:
    task = Drawn(registry.task(spec))
    return {
        "shapes": task.shapes,
        "range": task.within_range,
        "repeatable": task.repeatable,
        "seeds": task.seeds,
        "loss": task.loss,
        "errors": task.errors,
        "order": lambda: order_of_answers(task.task),
    }


def _optimizer(spec: str) -> Rules:
    rows = optimisers.Rows(registry.optimizer(spec), Network(Gru(), 3, 2, 5).layout)
    return {"shape": rows.shape, "company": rows.company, "determinism": rows.determinism}


def _schedule(spec: str) -> Rules:
    factors = schedules.Factors(registry.schedule(spec))
    return {"numbers": factors.numbers, "acts": factors.acts, "determinism": factors.determinism}


_RULES: dict[str, Callable[[str], Rules]] = {
    "task": _task,
    "cell": _cell,
    "clip": _clip,
    "optimizer": _optimizer,
    "schedule": _schedule,
}
