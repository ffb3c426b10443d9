"""What the READMEs say is so: tables are what the program declares, links lead somewhere, commands are accepted."""

import os
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from cogapp import Cog
from readme_tables import READMES, ROOT

from longlag.cli import main

TEXTS = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in READMES}
TRAINS = ("tune", "horizon", "frontier", "window")
STUDY = TEXTS["bench/plan/README.md"].partition("```toml\n")[2].partition("```")[0]
SMALL = ["--updates", "20", "--eval-every", "10", "--seeds", "1", "--workers", "2"]


def commands() -> list[list[str]]:
    """Return every command of a block without a language, each once, as words; of alternatives the first."""
    found = []
    for text in TEXTS.values():
        for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in re.findall(r"(?:^|&& )(longlag .*?)(?=$| &&)", block.replace("\\\n", " "), re.MULTILINE):
                plain = re.sub(r"\s*\|\s*[\w-]+", "", line).translate(str.maketrans("", "", "[]"))
                found.append(tuple(shlex.split(plain, comments=True)[1:]))
    return [list(words) for words in dict.fromkeys(found)]


def accepted(words: list[str]) -> click.Command:
    """Let a command read its options, and do nothing; return it.

    Plugins are left out: `test_new.py` writes the files and runs those commands.

    Raises:
        click.ClickException: It refuses them.
    """
    plugins = [place for place, word in enumerate(words) if word == "--plugin"]
    words = [word for place, word in enumerate(words) if not {place, place - 1} & set(plugins)]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command = found
    command.make_context(command.name, list(words))
    return command


def test_the_first_page_is_short_and_every_link_leads_somewhere() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 150
    for name, text in TEXTS.items():
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        assert not [link for link in links if not (ROOT / name).parent.joinpath(link).exists()], name


def test_every_readme_is_reached_from_the_first_page() -> None:
    linked = {os.path.normpath(link) for link in re.findall(r"\]\(([^)#:]+README\.md)\)", TEXTS["README.md"])}
    assert linked == set(TEXTS) - {"README.md"}


def test_tables_are_what_is_declared() -> None:
    files = [str(ROOT / name) for name, text in TEXTS.items() if "[[[cog" in text]
    assert len(files) >= 8
    Cog().callable_main(["cog", "--check", "--check-fail-msg=make readme", "-I", str(ROOT / "tests"), *files])


def test_commands_are_accepted() -> None:
    told = [accepted(words).name for words in commands()]
    assert len(told) > 45
    assert set(told) >= {*TRAINS, "run", "plan", "check", "probe", "perf"}
    with pytest.raises(click.ClickException):
        accepted(["run", "--cells", "lstm"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [words for words in commands() if words[0] == "run" and "--plugin" not in words], ids=" ".join
)
def test_runs_finish_at_small_settings(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(STUDY)
    shipped = not words[1].startswith("--")  # such a study trains for minutes: its plan is made
    assert CliRunner().invoke(main, ["plan", words[1]] if shipped else [*words, *SMALL]).exit_code == 0
