"""Tables of the READMEs, made from what the program declares.

    make readme     writes them, between the marks in each README

`tests/test_readmes.py` sees a table that is no longer what is declared.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import click

from longlag import registry
from longlag.claims.base import Rule
from longlag.claims.support import named, stored, told
from longlag.cli import main
from longlag.networks.build import assembled
from longlag.plan import files
from longlag.plan.grid import GIVEN
from longlag.report.claims.table import markdown
from longlag.report.figures.all import FIGURES
from longlag.store.frames import ROW, TIMINGS
from longlag.tasks.support.options import options_of
from longlag.values.trial import AXES, Transfer, TrialResult

ROOT = Path(__file__).resolve().parent.parent
READMES = [ROOT / "README.md", *(ROOT / name / "README.md" for name in ("results", "tasks", "bench"))]
READMES += sorted([*ROOT.glob("bench/*/README.md"), *ROOT.glob("bench/report/*/README.md")])
UNITS = 64
"""Inputs and hidden size of the layer whose parameters and state are shown."""
EXTRAS = ("digits", "torchrecurrent")
"""What needs a library that is not always installed: tables are the same everywhere, so that they say no numbers."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("``", "`")


def _first_line(of: Any) -> str:
    return next(iter((of.__doc__ or "").splitlines()), "")


def _named(kind: str) -> list[tuple[str, Any]]:
    return [(name, registry.find(kind, name)) for name in registry.names(kind)]


def figures() -> str:
    """Every figure of a study, by the first line of the function that draws it."""
    shown = [(name, _first_line(draw).removeprefix("Draw ").removesuffix(".")) for name, draw in FIGURES.items()]
    return table(("figure", "shows"), [[f"`{name}`", f"{line[:1].upper()}{line[1:]}"] for name, line in shown])


def tasks() -> str:
    """Every task at its defaults."""
    rows = []
    for name, made in _named("task"):
        dial = f"`{made.dial}={options_of(made)[made.dial].default}`" if made.dial else ""
        sizes = ("", "") if name in EXTRAS else (registry.task(name).min_lag, f"{registry.task(name).floor(0):.3g}")
        rows.append([f"`{name}`", dial, *sizes, _first_line(made), made.reference])
    return table(("task", "dial", "smallest window", "floor", "what is drawn", "source"), rows)


def cells() -> str:
    """Every cell and whole network, its sizes at 64 inputs and units."""
    rows = []
    for kind in ("cell", "architecture"):
        for name, made in _named(kind):
            sizes = ("", "", "") if name in EXTRAS else _sizes(name)
            rows.append([f"`{name}`", _first_line(made), *sizes, made.reference])
    return table(("cell", "", "parameters", "state", "path", "source"), rows)


def _sizes(name: str) -> tuple[str, str, str]:
    network = assembled(registry.cell(name), UNITS, 1, UNITS, length=UNITS)
    readout = UNITS + 1
    return f"{network.num_parameters - readout:,}", f"{network.state_size:,}", network.path("cpu", "float32")


def clips() -> str:
    """Every clipping setting."""
    rows = []
    for name, made in _named("clip"):
        required = [option for option, one in options_of(made).items() if one.default is None]
        spelled = ":".join([name, *required])
        others = [f"`{option}={one.default}`" for option, one in options_of(made).items() if one.default is not None]
        rows.append([f"`{spelled}`", made.summary, ", ".join(others), made.reference])
    return table(("clip", "what it does", "options", "source"), rows)


def optimizers() -> str:
    """Every optimizer."""
    rows = []
    for name, made in _named("optimizer"):
        decay = "decoupled" if made.decoupled_decay else "coupled"
        rows.append([f"`{name}`", _first_line(made), _options(made), decay, made.reference])
    return table(("optimizer", "step", "options", "weight decay", "source"), rows)


def schedules() -> str:
    """Every schedule."""
    rows = [[f"`{name}`", _first_line(made), _options(made), made.reference] for name, made in _named("schedule")]
    return table(("schedule", "factor of the rate", "options", "source"), rows)


def _options(made: Any) -> str:
    return ", ".join(
        f"`{name}={'...' if one.default is None else one.default}`" for name, one in options_of(made).items()
    )


def studies() -> str:
    """The studies that are shipped."""
    named = ((name, files.find(name)) for name in files.names())
    return table(("study", "title", "trials"), ([f"`{n}`", study.title, len(study.planned)] for n, study in named))


def grid_keys() -> str:
    """What a study file's grids, and the command line, may set."""
    rows = []
    for key, axis in GIVEN.items():
        default = axis.default if axis.unset is not None and axis.default is not MISSING else ""
        several = "yes" if axis.spans else ""
        rows.append([f"`{key}`", axis.summary, f"`{default}`" if default != "" else "", several])
    return table(("key", "what", "default", "several"), rows)


def commands() -> str:
    """The commands, each with its first sentence."""
    lines = []
    for path, command in _walk(main, ()):
        arguments = " ".join(
            p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)
        )
        lines.append((f"longlag {' '.join(path)} {arguments}".strip(), command.get_short_help_str(limit=200)))
    return table(("command", ""), ([f"`{spelled}`", what] for spelled, what in sorted(lines)))


def _walk(group: click.Group, path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _walk(command, (*path, name))
        else:
            yield (*path, name), command


def claims() -> str:
    """The rules of claims."""
    rows = []
    for claim in named.claims():
        rows += [[claim.number(), f"*{claim.sentence}*", "", "", ""]]
        rows += [
            [
                "",
                f"{rule.name}: {rule.asks}",
                _minimum(rule),
                f"{claim.bar(rule).level:.2g}" if rule.minimum else "",
                rule.lowest,
            ]
            for rule in claim.rules
        ]
    return table(("", "claim", "minimum effect", "level", "from tier"), rows)


def _minimum(rule: Rule) -> str:
    return "exact" if rule.minimum is None else f"{rule.minimum:.3g} {rule.unit}"


def verdicts() -> str:
    """The verdicts of the reference run."""
    entries = stored.read(ROOT / "results" / "reference" / "claims")
    frame = told.frame_of(entries, told.highest(entries), {}).drop(columns="seconds")
    return markdown(frame).rstrip("\n")


DERIVED = {
    "key": "sixteen hexadecimal digits from the content of the trial",
    "study": "the study's name",
    "lag": "distance that the task bridges, in time steps",
    "min_lag": "smallest window with which the task can be solved, in time steps",
    "baseline_error": "floor: the best error without memory",
    "score": "1 - error / floor",
    "sequences_to_solve": "updates to solve times batch size",
    "updates_per_second": "updates done by seconds",
    "rate_basis": "what the rate rests on: tuned, coarse, edge, neighbour, none",
    "matched": "what the hidden size was chosen by: hidden, parameters, state",
    "match_target": "how many of these there should be",
    "match_reached": "how many there are",
    "match_note": "sizes next to the target, where it is missed by more than 3 %",
    "data": "name and digest of the data that the task reads from files",
    "processor": "the machine's processor",
    "unchecked": "whether nobody has checked the contract of the trial's plugins",
    "unhashed": "what of the trial's plugins no hash covers",
    "source": "hash of the source code that made the numbers",
    "task_version": "raised where the meaning of the task changes",
    "cell_version": "raised where the meaning of the cell changes",
    "decoder_cell_version": "the same of a decoder's cell",
    "plugins": "files that the trial's specs name, each with the hash of its content",
}
"""What columns mean that are neither a setting nor a field of a result."""


def columns() -> str:
    """The columns of an exported row."""
    said = _attributes(TrialResult) | DERIVED
    axes = {axis.column or axis.name: axis.summary for axis in AXES.values() if axis.summary}
    return table(("column", ""), ([f"`{name}`", axes.get(name) or said[name]] for name in [*ROW, *TIMINGS]))


def transfer_columns() -> str:
    """The fields of an error at another distance."""
    return table(("column", ""), ([f"`{name}`", text] for name, text in _attributes(Transfer).items()))


def _attributes(of: type) -> dict[str, str]:
    """Return what a class's docstring says of its attributes."""
    section = (of.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^        (\w+): (.*(?:\n            .*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text).rstrip(".") for name, text in found}
