"""The command line in process: exit codes, what is printed where, and that bad input writes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from longlag.cli import main
from longlag.plan.study import adhoc
from longlag.plan.trials import facts
from longlag.store.store import Store, store_path
from longlag.values.trial import Measurement, Status, TrialResult

TINY = ["--task", "copy:items=1,symbols=2,blanks=1", "--cell", "rnn", "--updates", "4", "--eval-every", "2"]
TINY += ["--hidden-size", "3", "--batch-size", "2", "--seeds", "2", "--workers", "1"]


def call(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with one study of two trials, made without training."""
    study = adhoc("made", task="copy:items=1,symbols=2,blanks=1", cell="rnn", updates=4, eval_every=2, seeds=2)
    with Store.open_for_writing(store_path("made", tmp_path)) as store:
        store.write_plan(study.title, [(trial, facts(trial)) for trial in study.trials()])
        for trial in study.trials():
            curve = (Measurement(0, 0.7, 0.5, None, None, None, None, 1.0), Measurement(4, 0.6, 0.4, 0.6, 1, 2, 0, 1.0))
            done = TrialResult(trial, Status.UNSOLVED, 0.4, updates=4, measurements=curve, wall_seconds=1.0)
            store.add(done, facts(trial))
    return tmp_path


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, longlag.cli; print(sorted({'torch', 'numpy', 'pandas', 'matplotlib', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_run_prints_its_summary_and_writes_tables_and_figures(tmp_path: Path) -> None:
    result = call("run", *TINY, "--name", "mine", "--results", str(tmp_path))
    assert result.exit_code == 0
    assert "copy (items 1, symbols 2, blanks 1)" in result.stdout
    assert "2/2" in result.stderr
    assert {path.suffix for path in (tmp_path / "mine").rglob("*")} >= {".csv", ".md", ".tex", ".png", ".pdf"}
    again = call("run", *TINY, "--name", "mine", "--results", str(tmp_path))
    assert "2 stored, 0 to train" in again.stderr


def test_a_run_with_failed_trials_exits_with_3(tmp_path: Path) -> None:
    result = call("run", *TINY, "--timeout", "0.001", "--results", str(tmp_path))
    assert result.exit_code == 3
    assert "timeout" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rnu"], "no command is called 'rnu'; did you mean run?"),
        (["help"], "no command is called 'help'; did you mean --help?"),
        (["--lr", "3", "run"], "--lr belongs after the command, as in longlag run ... --lr"),
        (["run", "--task", "ADDING", "--cell", "rnn"], "no task is called 'ADDING'; did you mean adding?"),
        (["run", "--task", "copy", "--cell", "LSTM"], "no cell is called 'LSTM'; did you mean lstm?"),
        (["run", "--task", "copy", "--cell", "gru "], "no cell is called 'gru '; did you mean gru?"),
        (
            ["run", *TINY, "--skip", "Residual"],
            "--skip must be none, residual, dense or highway, not 'Residual'; did",
        ),
        (["run", *TINY, "--lr", "1e10"], "--lr must be at most 1000, not 1e+10"),
        (["run", *TINY, "--name", "étude"], "'étude' cannot name a study: 1 to 64 letters (a to z, A to Z), digits"),
        (["plan", *TINY, "--timeout", "-1"], "--timeout must be above 0"),
        (["plan", *TINY, "--memory", "1GB"], "--memory must be a whole number of MiB or GiB"),
        (["run", "quik"], "no study is called 'quik'; did you mean quick?"),
        (["run", "--task", "cpoy", "--cell", "rnn"], "no task is called 'cpoy'; did you mean copy?"),
        (["run", "--task", "copy", "--cell", "lsmt"], "no cell is called 'lsmt'; did you mean lstm?"),
        (["run", *TINY, "--clip", "nrom:1"], "no clip is called 'nrom'; did you mean norm?"),
        (["run", *TINY, "--clip", "norm:0"], "clip 'norm:0': max_norm must be a number above 0"),
        (["run", *TINY, "--clip", "norm:nan"], "clip 'norm:nan': max_norm must be a number above 0"),
        (["run", *TINY, "--clip", "norm"], "clip 'norm' is not of the form norm:max_norm,option=value"),
        (["run", *TINY, "--clip", "value:abc"], "clip 'value:abc': clip_value must be a number above 0"),
        (["run", *TINY, "--clip", "none:1"], "clip 'none:1' is not of the form none"),
        (["run", *TINY, "--optimizer", "adm"], "no optimizer is called 'adm'; did you mean adam?"),
        (["run", *TINY, "--schedule", "cosin"], "no schedule is called 'cosin'; did you mean cosine?"),
        (["run", *TINY, "--lr", "0"], "--lr must be a finite number above 0, not 0.0"),
        (["run", *TINY, "--lr", "nan"], "--lr must be a finite number above 0, not nan"),
        (["run", *TINY, "--seeds", "0"], "--seeds must be a whole number from 1 to 10000, not 0"),
        (["run", *TINY, "--hidden-size", "-1"], "--hidden-size must be a whole number from 1"),
        (["run", *TINY, "--updates", "1000000000000"], "--updates must be a whole number from 1 to"),
        (["run", *TINY, "--workers", "0"], "--workers must be a whole number from 1 to 1024, not 0"),
        (["run", *TINY, "--timeout", "-1"], "--timeout must be above 0"),
        (["run", *TINY, "--name", "../up"], "'../up' cannot name a study"),
        (["run", *TINY, "--name", "mine.toml"], "'mine.toml' cannot name a study: it ends like a study file, in .toml"),
        (["run", *TINY, "--name", "perf"], "'perf' cannot name a study: the name is reserved"),
        (["run", *TINY, "--name", "quick"], "--name quick: a study file has that name"),
        (["run", "--task", "adding:length=1", "--cell", "rnn"], "task adding: length must be from 2 to 100000, not 1"),
        (["run", "--task", "copy:items=1,items=2", "--cell", "rnn"], "task 'copy:items=1,items=2' gives items twice"),
        (["run", "--task", "copy:itms=1", "--cell", "rnn"], "task copy has no option 'itms'; did you mean items?"),
        (["run", *TINY, "--name", ""], "'' cannot name a study"),
        (["run"], "no study is named: give one of "),
        (["plan", "--seeds", "3"], "no study is named: give one of "),
        (["show-task", "copy", "--seed", "-1"], "Invalid value for '--seed': -1 is not in the range 0<=x"),
        (["run", "--task", "copy"], "an ad-hoc study needs at least one --cell"),
        (["run", "quick", "--tsk", "copy"], "No such option '--tsk'"),
        (["plan", "quick", "--dtype", "float16"], "--dtype must be float32 or float64, not 'float16'"),
        (["list", "task"], "nothing to list is called 'task'; did you mean tasks?"),
        (["show", "quick"], "no study called 'quick' has results"),
        (["show", "studies/quick.toml"], "studies/quick.toml: No such file or directory"),
        (["baseline", "accept", "quick.toml", "--reason", "x"], "quick.toml: No such file or directory"),
        (["export", "quick", "--format", "parquet"], "--format parquet needs --out FILE"),
        (["rerun", "abc"], "no stored trial has a key that begins with 'abc'"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(args: list[str], message: str, tmp_path: Path) -> None:
    folder = [] if args[0] in ("rnu", "help", "--lr", "list", "show-task") else ["--results", str(tmp_path / "results")]
    result = call(*args, *folder)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"longlag: {message}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_results_path_that_is_a_file_exits_with_4(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    result = call("run", *TINY, "--results", str(tmp_path / "results"))
    assert result.exit_code == 4
    assert (tmp_path / "results").read_text() == "mine"


def test_a_damaged_store_exits_with_4_and_is_named(results: Path) -> None:
    path = store_path("made", results)
    path.write_bytes(b"no database" * 1000)
    for command in (["show", "made"], ["run", *TINY, "--name", "made"], ["doctor"]):
        result = call(*command, "--results", str(results))
        assert result.exit_code == 4
        assert str(path) in result.stderr
    assert path.read_bytes() == b"no database" * 1000


def test_export_writes_csv_to_stdout_and_files_on_request(results: Path) -> None:
    result = call("export", "made", "--results", str(results))
    assert result.stdout.splitlines()[0].startswith("key,study,task,lag,min_lag,cell,hidden_size,layers,clip,optimizer")
    assert "wall_seconds" not in result.stdout
    assert len(result.stdout.splitlines()) == 3
    assert "wall_seconds" in call("export", "made", "--timings", "--results", str(results)).stdout
    assert len(call("export", "made", "--curves", "--results", str(results)).stdout.splitlines()) == 5
    out = results / "rows.parquet"
    assert call("export", "made", "--format", "parquet", "--out", str(out), "--results", str(results)).exit_code == 0
    assert out.read_bytes()[:4] == b"PAR1"


def test_show_prints_a_table_or_json(results: Path) -> None:
    assert "RNN tanh" in call("show", "made", "--results", str(results)).stdout
    assert json.loads(call("show", "made", "--json", "--results", str(results)).stdout)


def test_figures_and_tables_are_redrawn_to_the_same_bytes(results: Path) -> None:
    def drawn(command: str) -> dict[str, bytes]:
        paths = [Path(line) for line in call(command, "made", "--results", str(results)).stdout.splitlines()]
        assert paths
        return {str(path): path.read_bytes() for path in paths}

    for command in ("figures", "tables"):
        assert drawn(command) == drawn(command)


def test_plan_and_run_take_the_same_options() -> None:
    plan, run = ({option for one in main.commands[name].params for option in one.opts} for name in ("plan", "run"))
    assert plan == run


def test_without_a_command_there_is_help_and_a_group_asks_for_its_own() -> None:
    assert call().stdout == call("--help").stdout
    result = call("baseline")
    assert (result.exit_code, result.stderr) == (2, "longlag: Missing command.\n")


def test_results_before_the_command_are_told_where_they_belong() -> None:
    result = call("--results", "mine", "show", "x")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--results belongs after the command" in result.stderr


def test_plan_counts_without_training(results: Path) -> None:
    printed = call("plan", *TINY, "--name", "made", "--seeds", "5", "--results", str(results)).stdout
    assert "trials    5" in printed
    assert "to train  5 in" in printed  # those stored have another width


def test_details_of_cells_are_their_source_sizes_and_path() -> None:
    lines = call("list", "cells", "--details").stdout.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("lem "))
    assert lines[place].split(maxsplit=1) == ["lem", "Long expressive memory."]
    assert [line.strip() for line in lines[place + 1 : place + 3]] == [
        # 4 * 64 * (64 + 64 + 1), 2 * 64
        "33,024 parameters, state 128, readable: two products per step, the second with the new slow state",
        "Rusch, Mishra, Erichson & Mahoney 2022, section 2",
    ]
    assert [line for line in lines if line.startswith("selective")]
    refused = call("list", "clips", "--details")
    assert refused.exit_code == 2
    assert "--details is for cells" in refused.stderr


def test_every_list_has_its_names() -> None:
    assert "agreement" in call("list", "tasks").stdout
    assert "lstm" in call("list", "cells").stdout
    assert "max_norm: c, the largest norm of a gradient [required, a number above 0]\n" in call("list", "clips").stdout
    assert "rmsprop" in call("list", "optimizers").stdout
    assert "cosine" in call("list", "schedules").stdout
    assert "reach" in call("list", "lenses").stdout
    assert "quick" in call("list", "studies").stdout


def test_rerun_shows_stored_and_new_numbers_side_by_side(tmp_path: Path) -> None:
    call("run", *TINY, "--name", "mine", "--results", str(tmp_path))
    key = call("export", "mine", "--results", str(tmp_path)).stdout.splitlines()[1][:10]
    printed = call("rerun", key, "--results", str(tmp_path)).stdout
    assert "all numbers are the same, in every evaluation" in printed


def test_doctor_reports_versions_and_healthy_stores(results: Path) -> None:
    printed = call("doctor", "--results", str(results)).stdout
    assert "torch" in printed
    assert "path             lstm: fused" in printed
    assert "path             rhn: readable" in printed  # with two layers in a step, as by default
    assert f"{store_path('made', results)}: healthy, 2 trials" in printed


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "longlag", "list", "cells", "--details"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("a layer of 64 inputs")
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (0, "")
