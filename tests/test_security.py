"""What a stranger can write is read as data: nothing in it is run, and nothing it says becomes a path or SQL."""

import ast
import pickle
from pathlib import Path

import pytest
from shard_samples import at_once, call, refused, run, small, write_shard  # noqa: F401 - a fixture
from shard_samples import ended as ended_here

import longlag
import longlag.tasks
from longlag.store.store import store_path

FILES = sorted(path for package in (longlag, longlag.tasks) for path in Path(package.__path__[0]).rglob("*.py"))
RUNS_WHAT_IT_READS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "jsonpickle"}
ALLOWED = {
    "run/engines/worker.py": {"pickle"},  # the errors of a pipe between processes of one's own
    "process/fresh_import.py": {"exec"},  # imports a plugin that was named
}
IDENTIFIERS = {
    *("table", "name", "names", "column", "columns", "after", "order", "match", "counted", "values", "_PAGE"),
    *("schema.VERSION", "schema.CHECKSUM", "schema.RUNS_FAILED", "table.columns[column].definition"),
    *("keys", "', '.join('?' * len(keys))", "', '.join(columns)"),
}
"""What stands in statements beside fixed text: names of tables and columns of the program's own, and placeholders."""
OF_SQL = ("SELECT ", "INSERT ", "DELETE ", "UPDATE ", "CREATE ", "ALTER ", "PRAGMA ", "ATTACH ")


def dangers_in(tree: ast.AST) -> set[str]:
    """Name what would run what it reads: imports of such modules, `eval`, `exec`, and loaders that take pickles."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & RUNS_WHAT_IT_READS
        if isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0]} & RUNS_WHAT_IT_READS
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= {called} & {"eval", "exec", "torch.load", "pd.read_pickle", "pandas.read_pickle", "os.system"}
            found |= {word.arg for word in node.keywords if word.arg in ("allow_pickle", "shell")}
    return found


def interpolated(tree: ast.AST) -> set[str]:
    """Return the expressions that are put into texts of SQL."""
    return {
        ast.unparse(part.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        if isinstance(node.values[0], ast.Constant) and str(node.values[0].value).startswith(OF_SQL)
        for part in node.values
        if isinstance(part, ast.FormattedValue)
    }


def test_nothing_that_is_read_is_run_and_sql_is_made_of_names_of_our_own() -> None:
    dangers, texts = {}, set()
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts |= interpolated(tree)
        if found := dangers_in(tree):
            dangers["/".join(path.parts[-3:]).partition("bench/")[2] or "/".join(path.parts[-3:])] = found
    assert dangers == ALLOWED
    assert texts <= IDENTIFIERS


def test_dangers_and_sql_of_values_are_seen() -> None:
    assert dangers_in(ast.parse("import pickle; eval(a); torch.load(b); np.load(c, allow_pickle=True)")) == {
        *("pickle", "eval", "torch.load", "allow_pickle")
    }
    assert interpolated(ast.parse("f'SELECT a FROM b WHERE c = {value}'")) == {"value"}


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.usefixtures("at_once")
def test_a_pickle_in_the_place_of_any_file_is_refused_and_not_run(tmp_path: Path) -> None:
    evil, marker = pickle.dumps(Evil(tmp_path / "marker")), tmp_path / "marker"
    store = store_path("small", tmp_path)
    store.parent.mkdir()
    store.write_bytes(evil)
    for command in ("show", "export", "tables", "figures"):
        refused(call(command, "small", "--results", tmp_path), 4, "is damaged")
    assert call("recover", "small", "--results", tmp_path).exit_code == 3
    shard = tmp_path / "small/shards/1-of-1.jsonl"
    shard.parent.mkdir()
    shard.write_bytes(evil)
    for command in ("merge", "status"):
        refused(call(command, "small", "--results", tmp_path), 4, "is not a shard of longlag")
    for file in ("study.toml", "pairs.tsv", "baseline.json"):
        (tmp_path / file).write_bytes(evil)
    assert call("run", tmp_path / "study.toml", "--results", tmp_path).exit_code == 2
    assert call("probe", "small", tmp_path / "pairs.tsv", "--results", tmp_path).exit_code == 2
    assert call("compare", tmp_path / "baseline.json", "small", "--results", tmp_path).exit_code in (2, 4)
    assert not marker.exists()
    pickle.loads(evil)
    assert marker.exists(), "it would have been seen"


NAMES = ["../small", "..", "/etc/passwd", "a/b", ".hidden", "a\nb", "", "a" * 65, "sm all"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_that_is_none_never_becomes_a_path(name: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    before = sorted(tmp_path.rglob("*"))
    for command in ("show", "export", "merge", "status", "recover", "figures", "tables"):
        done = call(command, name, "--results", results)
        assert done.exit_code == 2, (command, done.output)
        assert done.stderr.count("\n") == 1
    done = call("run", "--task", "copy", "--cell", "rnn", "--name", name, "--results", results)
    assert done.exit_code == 2, done.output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("at_once")
def test_links_in_an_unpacked_folder_lead_no_write_elsewhere(tmp_path: Path) -> None:
    elsewhere, results = tmp_path / "elsewhere", tmp_path / "results"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    folder = results / "small"
    folder.mkdir(parents=True)
    (folder / "conflicts.jsonl").symlink_to(elsewhere / "mine")
    trial = small().trials()[0]
    shards = [write_shard(tmp_path / f"{error}.jsonl", [ended_here(trial, error=error)]) for error in (0.25, 0.5)]
    assert call("merge", "small", *shards, "--results", results).exit_code in (1, 4)
    (folder / "shards").symlink_to(elsewhere)
    refused(call("run", *small_grid(), "--shard", "1/1", "--results", results), 4, "leads out of")
    (folder / "store.part").symlink_to(elsewhere / "mine")
    store = store_path("small", results)
    store.write_bytes(b"no store at all")
    assert call("recover", "small", "--results", results).exit_code == 3
    assert {path.name: path.read_text() for path in elsewhere.iterdir()} == {"mine": "mine"}


def small_grid() -> list[str]:
    import shard_samples

    return [*shard_samples.GRID, "--name", "small", "--workers", "1"]
