"""Writes the methods of a paper from a stored study: a paragraph, a table of settings, and the works that both cite."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from longlag.plan.rates import Basis
from longlag.report.figures import style
from longlag.report.outcomes import SETTING, notes, outcomes, seeds
from longlag.report.paper.latex import escape
from longlag.report.paper.origin import Origin, versions
from longlag.report.paper.sources import ALWAYS, bibliography, cite, options_of, source_of, works_of
from longlag.report.paper.table import plain
from longlag.report.text.tables import axis_text, number
from longlag.report.text.words import joined
from longlag.store.results import StudyData
from longlag.tasks.support.options import spell
from longlag.tasks.support.spelling import clip_parts, split_spec
from longlag.values.trial import Status

_PROGRAMS = {"python": "Python", "torch": "PyTorch", "numpy": "NumPy", "numba": "Numba"}


@dataclass(frozen=True)
class Clause:
    """A part of a sentence, and the works that it cites."""

    text: str
    works: tuple[str, ...] = ()


@dataclass(frozen=True)
class Methods:
    """The methods of a study, as sentences and as a table.

    Attributes:
        sentences: The beginning of each sentence, and its clauses.
        settings: The names of axes and their values.
    """

    sentences: list[tuple[str, list[Clause]]]
    settings: list[tuple[str, str]]

    @property
    def works(self) -> list[str]:
        """All works that the sentences cite, each once."""
        named = [work for _, clauses in self.sentences for clause in clauses for work in clause.works]
        return list(dict.fromkeys(named))


def methods_of(study: StudyData) -> Methods:
    """Return how a study was made: tasks, cells, clips, optimisers, rates, budget, seeds, statistics, machine."""
    sentences = [
        ("We trained recurrent networks on", _tasks(study)),
        ("Their cells were", _cells(study)),
        ("Gradients were treated in these ways:", _clips(study)),
        ("The optimiser was", _named(study, "optimizer")),
        ("The learning rate followed the schedule", _named(study, "schedule")),
        ("", [_rates(study)]),
        ("", [_budget(study)]),
        ("", [Clause(_seeds(study))]),
        ("", _statistics(study)),
        ("", [Clause(_machine(study))]),
        *(("", [Clause(note.rstrip("."))]) for note in notes(study)),
    ]
    return Methods(sentences, _settings(study))


def _own(kind: str, spec: str) -> str:
    """Return a remark if the spec is that of a plugin; else an empty text."""
    return "" if source_of(kind, spec) else ", our own"


def _each(study: StudyData, column: str) -> list[str]:
    """Return the specs of an axis in the order of reports."""
    return list(dict.fromkeys(map(str, outcomes(study)[column])))


def _tasks(study: StudyData) -> list[Clause]:
    clauses = []
    for task in _each(study, "task"):
        first = study.plan[study.plan["task"] == task].iloc[0]
        facts = f"lag {first['lag']:.0f}, floor {number(first['baseline_error'])} of the {first['error_name']}"
        facts += f", solved below {number(first['solved_below'])}"
        clauses.append(Clause(f"{style.task_label(task)}: {facts}{_own('task', task)}", works_of("task", task)))
    return clauses


def _cells(study: StudyData) -> list[Clause]:
    sizes = study.trials.reindex(columns=["cell", "num_parameters"]).dropna()
    clauses = []
    for cell in sorted(_each(study, "cell"), key=style.cell_rank):
        counts = sorted({int(count) for count in sizes.loc[sizes["cell"] == cell, "num_parameters"]})
        size = f" ({_range([f'{count:,}' for count in counts])} parameters)" if counts else ""
        clauses.append(Clause(f"{style.cell_label(cell)}{size}{_own('cell', cell)}", works_of("cell", cell)))
    return clauses


def _range(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{texts[0]} to {texts[-1]}"


def _clips(study: StudyData) -> list[Clause]:
    clauses = []
    for clip in sorted(_each(study, "clip"), key=style.clip_rank):
        parts = [part for part in clip_parts(clip) if part != "none"]
        sources = [source for part in parts if (source := source_of("clip", part))]
        what = "; ".join(source.summary[0].lower() + source.summary[1:] for source in sources)
        text = f"{style.clip_label(clip)} ({what})" if what else style.clip_label(clip)
        own = "".join(dict.fromkeys(_own("clip", part) for part in parts))
        works = dict.fromkeys(work for part in parts for work in works_of("clip", part))
        clauses.append(Clause(text + own, tuple(works)))
    return clauses


def _named(study: StudyData, kind: str) -> list[Clause]:
    return [
        Clause(f"{_with_options(kind, spec)}{_own(kind, spec)}", works_of(kind, spec)) for spec in _each(study, kind)
    ]


def _with_options(kind: str, spec: str) -> str:
    """Write the name of a spec and all of its options, as others may have other defaults."""
    options = [f"{name} {value}" for name, value in options_of(kind, spec).items()]
    return f"{split_spec(spec, kind)[0]} ({', '.join(options)})" if options else spec


def _rates(study: StudyData) -> Clause:
    """Return a clause on the learning rates and on how they were chosen, with numbers of settings."""
    rates = study.plan.drop_duplicates(list(SETTING))
    values = sorted(map(float, rates["lr"].unique()))
    span = f"Learning rates were {_range([spell(value) for value in values])}"
    known = rates["rate_basis"].fillna("")
    if not (known != Basis.GIVEN).any():
        return Clause(f"{span}; they were given, not searched for")
    words = {
        Basis.TUNED: "the best of a search on other seeds, its neighbours at most a factor of 1.5 away",
        Basis.COARSE: "the best of a coarser search on other seeds",
        Basis.EDGE: "the best of a search on other seeds, and the lowest or highest tried",
        Basis.NEIGHBOUR: "those of another clip, since no seed solved at any rate tried",
        Basis.NONE: "those of the lowest error, since no seed solved at any rate tried under any clip",
        Basis.GIVEN: "given",
    }
    texts = [
        f"of {int((known == basis).sum())} settings {word}" for basis, word in words.items() if basis in set(known)
    ]
    return Clause(f"{span}: {'; '.join(texts)}")


def _budget(study: StudyData) -> Clause:
    plan = study.plan
    budget, every, batch = (_span(plan, name) for name in ("budget_updates", "eval_every", "batch_size"))
    ended = set(plan["stop"].astype(str)) == {"solved"}
    stop = "training ended there" if ended else "training went on to the end of the budget where the settings say so"
    return Clause(
        f"A network had {budget} updates of {batch} sequences and was evaluated every {every}; it counts as solved "
        "where its error lies below the task's threshold at two evaluations in a row and again on 10,000 fresh "
        f"sequences, and {stop}"
    )


def _span(plan: pd.DataFrame, name: str) -> str:
    low, high = plan[name].min(), plan[name].max()
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def _seeds(study: StudyData) -> str:
    return (
        f"Every setting was trained from several seeds ({seeds(outcomes(study))}), with the same data and the same "
        "initial weights under every clip and learning rate"
    )


def _statistics(study: StudyData) -> list[Clause]:
    frame = outcomes(study)
    lost = [f"{int((frame['status'] == status).sum())} {status}" for status in (Status.DIVERGED, Status.EXPLODED)]
    share, watched = ALWAYS
    return [
        Clause("Solved shares have exact 95 % intervals", (share,)),
        Clause("updates until solved are medians in which unsolved trials are censored at the budget", (watched,)),
        Clause(
            "errors are medians and ranges of the seeds, where diverged and exploded trials count as the floor "
            f"({' and '.join(lost)} of {len(frame)})"
        ),
    ]


def _machine(study: StudyData) -> str:
    environments = [json.loads(text) for text in study.trials.reindex(columns=["environment"])["environment"].dropna()]
    programs = [
        f"{name} {_listed(environment.get(key) for environment in environments)}"
        for key, name in _PROGRAMS.items()
        if any(environment.get(key) for environment in environments)
    ]
    made_by = sorted(study.trials.reindex(columns=["processor"])["processor"].dropna().astype(str).unique())
    on = f" ({joined(made_by)})" if made_by else ""
    kinds = f"{_listed(study.plan['dtype'])} on {_listed(study.plan['device'])}"
    with_programs = f" with {joined(programs)}" if programs else ""
    sources = f", code {joined(study.sources)}" if study.sources else ""
    return f"Training used {kinds}{on}{with_programs}{sources}; this was written by {versions()}"


def _listed(values: Iterable[object]) -> str:
    return joined(sorted({str(value) for value in values if value}))


def _settings(study: StudyData) -> list[tuple[str, str]]:
    """Return each axis with its values, or with their range if there are many."""
    settings = []
    for name in SETTING:
        values = _each(study, name) if name in ("task", "cell", "clip") else sorted(study.plan[name].unique().tolist())
        prefix = f"{name.replace('_', ' ')} "
        texts = [axis_text(name, value).removeprefix(prefix) for value in values if value != ""]
        text = "; ".join(texts) if len(texts) <= 12 else f"{len(texts)} values from {texts[0]} to {texts[-1]}"
        if text:
            settings.append((name.replace("_", " "), text))
    return [*settings, ("seeds", seeds(outcomes(study)))]


def to_latex(methods: Methods, origin: Origin) -> str:
    """Write the paragraph for LaTeX, with citations for natbib."""
    sentences = [_latex(*sentence) for sentence in methods.sentences]
    return f"% {origin.line}\n" + "\n".join(sentences) + "\n"


def _latex(begin: str, clauses: list[Clause]) -> str:
    texts = [" ".join(filter(None, [escape(clause.text), cite(clause.works)])) for clause in clauses]
    return f"{escape(begin)} {'; '.join(texts)}.".strip()


def settings_latex(methods: Methods, origin: Origin) -> str:
    """Write the table of settings for LaTeX with booktabs."""
    rows = [f"{escape(name)} & {escape(value)} \\\\" for name, value in methods.settings]
    head = ["% needs \\usepackage{booktabs}", "\\begin{tabular}{lp{0.7\\linewidth}}", "\\toprule"]
    return "\n".join([f"% {origin.line}", *head, "setting & values \\\\", "\\midrule", *rows, "\\bottomrule",
                      "\\end{tabular}", ""])  # fmt: skip


def to_markdown(methods: Methods, origin: Origin) -> str:
    """Write the paragraph and the settings for Markdown, with citations by authors and year."""
    sentences = [_markdown(*sentence) for sentence in methods.sentences]
    rows = [f"| {name} | {plain(value)} |" for name, value in methods.settings]
    return "\n".join([origin.comment, " ".join(sentences), "", "| setting | values |", "| :-- | :-- |", *rows, ""])


def _markdown(begin: str, clauses: list[Clause]) -> str:
    texts = [plain(clause.text) + (f" ({'; '.join(clause.works)})" if clause.works else "") for clause in clauses]
    return f"{begin} {'; '.join(texts)}.".strip()


def methods_files(study: StudyData, origin: Origin) -> dict[str, str]:
    """Return the texts of all files, by name."""
    methods = methods_of(study)
    return {
        "methods.tex": to_latex(methods, origin),
        "settings.tex": settings_latex(methods, origin),
        "methods.md": to_markdown(methods, origin),
        "methods.bib": f"% {origin.line.replace('@', '(at)')}\n{bibliography(methods.works)}",  # @ begins an entry
    }
