"""The frontier says how many items are carried how far, and what is held there, only where it was seen."""

import pandas as pd
import pytest

from longlag.report.figures import frontier

SEEN = [(1, 8, 4), (1, 16, 2), (1, 32, 0), (2, 8, 4), (2, 16, 3), (4, 8, 1), (8, 10, 4), (8, 11, 3), (8, 16, 0)]
"""Items, lag and how many of four seeds solved."""


@pytest.fixture
def rungs():
    return pd.DataFrame(
        [
            {"task": f"copy:items={items}", "cell": cell, "clip": "none", "lag": lag, "solved": solved, "n": 4,
             "state_size": 64, "budget_updates": 800}
            for cell in ("gru", "lstm")
            for items, lag, solved in SEEN
        ]
    )  # fmt: skip


def test_the_edge_is_the_longest_lag_at_which_half_solve(rungs):
    edge = frontier.edges(rungs)
    assert len(edge) == 8
    lstm = edge[edge["cell"] == "lstm"].set_index("items")
    assert lstm.loc[[1, 2, 8], "lag"].tolist() == [16, 16, 11]
    assert pd.isna(lstm.loc[4, "lag"])
    assert lstm["censored"].tolist() == ["", "beyond", "below", ""]


def test_bits_are_held_only_where_half_solve(rungs):
    lstm = frontier.edges(rungs[rungs["cell"] == "lstm"]).set_index("items")
    assert lstm["bits"].tolist() == [3, 6, 12, 24]
    assert lstm.loc[[1, 2, 8], "bits_per_state_number"].tolist() == [3 / 64, 6 / 64, 24 / 64]
    assert pd.isna(lstm.loc[4, "bits_per_state_number"])


def test_what_is_printed_says_where_the_ladder_ended(rungs):
    lines = [line.split(maxsplit=2) for line in frontier.render(frontier.edges(rungs)).splitlines()[1:5]]
    assert [" ".join(line[:2]) for line in lines] == ["1 item", "2 items", "4 items", "8 items"]
    assert [line[2].split("  ")[0] for line in lines] == [
        "at lag 16", "at lag 16 and maybe beyond", "at no lag tried, from 8 on", "at lag 11",
    ]  # fmt: skip
    assert lines[3][2].endswith("24 bits in 64 state numbers, 0.38 each")


def test_the_map_has_counts_and_edges(rungs):
    drawing = frontier.draw(rungs)
    assert len(drawing.figure.axes) == 2
    for ax in drawing.figure.axes:
        said = {text.get_text() for text in ax.texts} - {""}
        assert {"4/4", "2/4", "0/4", "1/4", "16: 0.047 bits", "> 16: 0.094 bits", "11: 0.38 bits"} <= said
        assert len(ax.lines) == 3, "no edge where half solve nowhere"
        assert [label.get_text() for label in ax.get_yticklabels()] == ["8", "4", "2", "1"]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "11", "16", "23", "32"]


def test_rungs_map_and_edges_are_written(rungs, tmp_path):
    paths = frontier.write(rungs, tmp_path / "frontier")
    assert [path.name for path in paths] == ["rungs.csv", "frontier.png", "frontier.pdf", "frontier.csv"]
    assert all(path.stat().st_size > 0 for path in paths)
    assert len(pd.read_csv(paths[-1])) == 8
