"""Studies whose names and words try to be more than text, and what a page holds, for the tests of pages."""

import json
from collections import defaultdict
from dataclasses import replace
from html.parser import HTMLParser

from synthetic import ADDING, CELLS, COPY, Shape, make_study

from longlag.values.frames import PHASES

HOSTILE = "</script><img src=x onerror=alert(1)> {{ 7*7 }} =1+1 \\textbf{x} \u202eback"
VOID = {"meta", "link", "img", "br", "input", "use", "path"}


def hostile_study():
    """Make up a study with a title, a cell and a reason that are markup, formulas, templates and marks of direction."""
    study = make_study(
        Shape(tasks=(COPY, ADDING), cells=CELLS[:1] + CELLS[2:], seeds=3, stored=0.9, failed=True, outside=2)
    )
    cells = {"gru": f"gru:init={HOSTILE}"}
    plan = study.plan.assign(cell=study.plan["cell"].replace(cells))
    trials = study.trials.assign(
        cell=study.trials["cell"].replace(cells),
        reason=HOSTILE,
        environment='{"python": "3.13.0", "torch": "<b>2</b>"}',
    )
    return replace(study, title=HOSTILE, plan=plan, trials=trials)


class Elements(HTMLParser):
    """Lists the elements of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = defaultdict(list), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found[tag].append(dict(attrs))

    def handle_data(self, data):
        self.text.append(data)

    @property
    def every(self):
        return [attributes for elements in self.found.values() for attributes in elements]


def gates_of(trial, phase):
    """Make up what the lens of gates found in a trial of three steps and two units, one of which read markup."""
    trace = {"step": [0, 0, 1, 1, 2, 2], "read": ["a", "a", HOSTILE, HOSTILE, "c", "c"], "unit": [0, 1] * 3}
    trace |= {"forget_gate": [0.2, 0.3, 0.4, 0.6, 0.7, 0.8]}
    spread = {"gate": ["forget"] * 4, "left": [0, 0.25, 0.5, 0.75], "share": [0.25] * 4}
    numbers = {"forget_carried": 0.9, "forget_elsewhere": 0.5, "memory": 12.0}
    about = {"key": trial.key, "lens": "gates", "version": 1, "phase": phase, "update": 100 * PHASES.index(phase)}
    return about | {"numbers": json.dumps(numbers), "parts": json.dumps({"histogram": spread, "trace": trace})}
