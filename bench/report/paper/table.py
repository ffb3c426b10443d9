"""The table of a study, with chosen columns and rows in groups; a best row is bold only if intervals separate it."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import pandas as pd

from longlag.report.outcomes import SETTING, notes, progress, several
from longlag.report.paper.columns import RESULTS, heading, names_of, texts
from longlag.report.paper.latex import escape
from longlag.report.paper.origin import Origin
from longlag.report.summary import shared_values, summarise
from longlag.report.text.tables import axis_text, everywhere, to_csv
from longlag.store.results import StudyData

_MARK = "*"
"""The mark of shares that intervals do not separate from the best one."""
_LINES = 44
"""The rows and headings of groups that fit a page beside a caption: 9 inches of letters of 10 points."""
_BARE = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


@dataclass(frozen=True)
class Table:
    """A table as texts.

    Attributes:
        headings: The headings of the columns.
        numeric: For each column, whether LaTeX aligns it by the decimal mark.
        groups: For each row, the heading of its group; empty for all rows if there is one group.
        rows: For each row, the text of each column.
        bold: For each row, whether intervals separate it from all others of its group as the best.
        caption: The caption.
    """

    headings: list[str]
    numeric: list[bool]
    groups: list[str]
    rows: list[list[str]]
    bold: list[bool]
    caption: str


def table_of(study: StudyData, chosen: Sequence[str] = (), group: str = "task") -> Table:
    """Return a study's settings as a table, best first within a group; columns with a single value are left out.

    Args:
        study: The study, reduced to the settings that are shown.
        chosen: Names of columns; by default the axes that vary and the most important results.
        group: The axis by whose values rows are grouped.

    Raises:
        UsageError: There is no such column or axis.
    """
    every = {name: texts(study, name) for name in names_of(study, chosen, group)}
    constant = {
        name: column[0]
        for name, column in every.items()
        if name not in SETTING and len(column) > 1 and len(set(column)) == 1
    }
    groups = [_group(group, value) for value in summarise(study)[group]] if group in SETTING else texts(study, group)
    order = sorted(range(len(groups)), key=lambda row: list(dict.fromkeys(groups)).index(groups[row]))
    shown = {
        name: column
        for name, column in every.items()
        if name not in constant and (name in RESULTS or len(set(column)) > 1)
    }
    if not shown:  # a single setting
        shown = every
    bold, ties = _bests(study, groups)
    rows = [[shown[name][row] + (_MARK if name == "solved" and ties[row] else "") for name in shown] for row in order]
    return Table(
        [heading(name) for name in shown],
        [name in RESULTS and RESULTS[name].numeric for name in shown],
        [groups[row] if len(set(groups)) > 1 else "" for row in order],
        rows,
        [bold[row] and "solved" in shown for row in order],
        _caption(study, group, list(shown), constant) + _marks(bold, ties),
    )


def _group(name: str, value: object) -> str:
    return axis_text(name, value)


def _bests(study: StudyData, groups: list[str]) -> tuple[list[bool], list[bool]]:
    """Return which rows intervals separate as the best of their group, and which rows share the best place."""
    summary = summarise(study)
    bold, ties = [False] * len(groups), [False] * len(groups)
    for name in dict.fromkeys(groups):
        rows = [row for row, group in enumerate(groups) if group == name and summary["n"].iloc[row]]
        if len(rows) < 2:
            continue
        best = max(rows, key=lambda row: summary["solved_fraction"].iloc[row])
        near = [row for row in rows if summary["solved_high"].iloc[row] >= summary["solved_low"].iloc[best]]
        if near == [best]:
            bold[best] = True
        elif len(near) < len(rows):
            for row in near:
                ties[row] = True
    return bold, ties


def _caption(study: StudyData, group: str, shown: Iterable[str], constant: Mapping[str, str]) -> str:
    """Return the caption: the axes with one value, the meaning of columns, and what is missing."""
    sentences = [f"{study.title or study.name}, {progress(study)}."]
    if shared := everywhere(study):
        sentences.append(f"Everywhere: {shared}.")
    sentences += [f"{heading(name).capitalize()} is {value} in every row." for name, value in constant.items()]
    left = [name for name in several(study.plan) if name not in shown and name not in (group, *constant)]
    if left:
        sentences.append(f"Not shown, but not the same in all rows: {', '.join(map(heading, left))}.")
    meaning = [RESULTS[name].note for name in shown if name in RESULTS and RESULTS[name].note]
    if meaning:
        sentences.append("; ".join(meaning)[0].upper() + "; ".join(meaning)[1:] + ".")
    return " ".join([*sentences, *notes(study)])


def _marks(bold: Sequence[bool], ties: Sequence[bool]) -> str:
    """Return sentences on the marks that occur."""
    best = " Bold: solved more often than every other setting of its group, intervals apart." if any(bold) else ""
    tied = f" {_MARK}: not told apart from the best of its group by the intervals." if any(ties) else ""
    return best + tied


def in_pages(table: Table) -> list[Table]:
    """Cut a table between rows into parts that fit a page, where possible between groups."""
    cuts, lines = [0], 0
    for name, some in groupby(range(len(table.rows)), key=table.groups.__getitem__):
        places, heads = list(some), int(bool(name))
        if lines and lines + heads + len(places) > _LINES:
            cuts.append(places[0])
            lines = 0
        most = _LINES - heads
        cuts += places[most::most]  # within a group that no page holds
        lines += heads + (len(places) - 1) % most + 1
    return [
        replace(table, groups=table.groups[start:end], rows=table.rows[start:end], bold=table.bold[start:end])
        for start, end in pairwise([*cuts, len(table.rows)])
    ]


def to_latex(table: Table, origin: Origin) -> str:
    """Write a table for LaTeX with booktabs and siunitx; the author adds the environment and the caption."""
    bold = [["textbf:--rwrap" if made else "" for _ in table.headings] for made in table.bold]
    rows = [[_latex(text, numeric) for text, numeric in zip(row, table.numeric, strict=True)] for row in table.rows]
    headings = [escape(name) for name in table.headings]
    body = pd.DataFrame(rows, columns=headings)
    styler = body.style.apply(lambda _: pd.DataFrame(bold, body.index, headings).replace("", None), axis=None)
    text = styler.hide(axis="index").to_latex(
        hrules=True,
        column_format="".join(map(_format, zip(*table.rows, strict=True), table.numeric)),
        siunitx=True,
    )
    needs = "% needs \\usepackage{booktabs} and \\usepackage{siunitx}"
    return f"% {origin.line}\n{needs}\n{_grouped(text, table)}"


def _latex(text: str, numeric: bool) -> str:
    """Write a cell; in a column that is aligned by the decimal mark, all but bare numbers are put in braces."""
    return text if numeric and _BARE.fullmatch(text) else f"{{{escape(text)}}}" if numeric else escape(text)


def _format(texts_of: tuple[str, ...], numeric: bool) -> str:
    """Return the type of a column for LaTeX: text, or numbers with their digits before and after the decimal mark."""
    if not numeric:
        return "l"
    bare = [text.lstrip("-").partition("e")[0] for text in texts_of if _BARE.fullmatch(text)]
    before = max((len(text.partition(".")[0]) for text in bare), default=1)
    behind = max((len(text.partition(".")[2]) for text in bare), default=0)
    return f"S[table-format={before}.{behind}]"


def _grouped(text: str, table: Table) -> str:
    """Add a line with the name above each group of rows, and a rule between groups."""
    lines = text.splitlines()
    first = lines.index("\\midrule") + 1
    grouped = lines[:first]
    for place, (group, line) in enumerate(zip(table.groups, lines[first:], strict=False)):
        if group and (place == 0 or table.groups[place - 1] != group):
            grouped += ["\\midrule"] * (place > 0)
            grouped.append(f"\\multicolumn{{{len(table.headings)}}}{{l}}{{\\emph{{{escape(group)}}}}} \\\\")
        grouped.append(line)
    return "\n".join([*grouped, *lines[first + len(table.rows) :], ""])


def to_markdown(table: Table, origin: Origin) -> str:
    """Write a table for Markdown, with its caption below."""
    grouped = any(table.groups)
    heads = ([""] if grouped else []) + table.headings
    lines = [_line(heads), _line([":--" if not numeric else "--:" for numeric in [False] * grouped + table.numeric])]
    for place, (group, row, bold) in enumerate(zip(table.groups, table.rows, table.bold, strict=True)):
        first = [group if place == 0 or table.groups[place - 1] != group else ""] if grouped else []
        lines.append(_line([plain(text) for text in first] + [_bold(plain(text), bold) for text in row]))
    return "\n".join([origin.comment, "", *lines, "", plain(table.caption), ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _bold(text: str, bold: bool) -> str:
    return f"**{text}**" if bold else text


def plain(text: str) -> str:
    """Escape text so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_|#\[\]])", r"\\\1", html.escape(text, quote=False))


def to_html(table: Table, origin: Origin) -> str:
    """Write a table for HTML, with its caption."""
    grouped = any(table.groups)
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in ([""] if grouped else []) + table.headings)
    lines = [
        origin.comment,
        "<table>",
        f"<caption>{html.escape(table.caption)}</caption>",
        f"<thead><tr>{heads}</tr></thead>",
        "<tbody>",
    ]
    for place, (group, row, bold) in enumerate(zip(table.groups, table.rows, table.bold, strict=True)):
        first = group if place == 0 or table.groups[place - 1] != group else ""
        cells = [f"<th>{html.escape(first)}</th>"] * grouped
        cells += [f"<td>{'<b>' * bold}{html.escape(text)}{'</b>' * bold}</td>" for text in row]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</tbody>", "</table>", ""])


def written_as(study: StudyData, table: Table, origin: Origin) -> dict[str, dict[str, str]]:
    """Return the files of each format, as texts by name; ``csv`` has all numbers of the summary.

    LaTeX has one file per page.
    """
    parts = in_pages(table)
    numbers = [""] if len(parts) == 1 else [f"-{number}" for number in range(1, len(parts) + 1)]
    return {
        "latex": {f"table{number}.tex": to_latex(part, origin) for number, part in zip(numbers, parts, strict=True)},
        "caption": {"table.caption.tex": f"% {origin.line}\n{escape(table.caption)}\n"},
        "markdown": {"table.md": to_markdown(table, origin)},
        "html": {"table.html": to_html(table, origin)},
        "csv": {"table.csv": to_csv(summarise(study).drop(columns=list(shared_values(study))))},
    }
