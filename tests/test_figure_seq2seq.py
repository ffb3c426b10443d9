"""The figure of encoder depth against decoder depth."""

from dataclasses import replace

import pytest
from synthetic import COPY, Shape, make_study

from longlag.report.figures.all import WHERE
from longlag.report.figures.depth import has_depth
from longlag.report.figures.seq2seq import has_seq2seq, seq2seq
from longlag.report.text.terminal import render_text
from longlag.values.wiring import SKIPS

DEPTHS = Shape(
    tasks=(COPY,), cells=("gru", "lstm"), clips=("norm:1",), lrs=(0.01,), layers=(1, 8), skips=("none", "dense"),
    decoders=(1, 3),
)  # fmt: skip


def fields_of(figure):
    return [[text.get_text().splitlines()[0] for text in ax.texts] for ax in figure.axes]


def test_it_is_drawn_only_where_depths_of_encoder_decoders_vary():
    assert WHERE["seq2seq"](make_study(DEPTHS))
    for other in ({"decoders": (0,)}, {"layers": (1,), "decoders": (2,)}, {"layers": (1,), "decoders": (0, 1)}):
        assert not has_seq2seq(make_study(replace(DEPTHS, **other)))
    assert not has_depth(make_study(DEPTHS)), "one figure of a study's depths is enough"
    assert has_depth(make_study(replace(DEPTHS, decoders=(0,))))


def test_a_map_a_skip_shows_what_each_pair_of_depths_solved():
    study = make_study(DEPTHS)
    drawing = seq2seq(study)
    assert len(drawing.figure.axes) == 2 * 2, "two cells, two kinds of skip connection"
    trials = study.trials
    for _, row in drawing.data.iterrows():
        alike = trials[(trials["cell"] == row["cell"])]
        for axis in ("layers", "decoder_layers"):
            alike = alike[alike[axis] == row[axis]]
        if row["layers"] + row["decoder_layers"] > 2:
            alike = alike[alike["skip"] == row["skip"]]
        assert (row["n"], row["solved_count"]) == (3, (alike["status"] == "solved").sum())
    assert len(drawing.data) == 2 * 2 * 4
    shown = [text for texts in fields_of(drawing.figure) for text in texts]
    assert sorted(shown) == sorted(f"{row['solved_count']}/3" for _, row in drawing.data.iterrows())
    assert {"0/3", "3/3"} <= set(shown)


def test_fields_without_results_say_so_and_the_title_too():
    drawing = seq2seq(make_study(replace(DEPTHS, stored=0.3)))
    assert "-" in fields_of(drawing.figure)[-1]
    assert " of " in drawing.figure.get_suptitle().splitlines()[0]


@pytest.mark.parametrize("skips", [("none",), tuple(SKIPS)])
def test_drawn_twice_it_is_the_same_bytes(skips, tmp_path):
    written = []
    for place in "ab":
        (tmp_path / place).mkdir()
        study = make_study(replace(DEPTHS, skips=skips, cells=("gru",)))
        written.append(seq2seq(study).save(tmp_path / place, "drawn"))
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.suffix


def test_a_summary_names_the_decoders():
    text = render_text(make_study(DEPTHS))
    assert "3 decoder layers" in text
    assert "decoder GRU" in " ".join(text.split())
