"""Studies whose names and words try to be more than text, and what a page holds, for the tests of pages."""

from collections import defaultdict
from dataclasses import replace
from html.parser import HTMLParser

from synthetic import ADDING, CELLS, COPY, Shape, make_study

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
