"""Writes what the methods of a paper say of everything that is shipped: ``python tests/paper_sources.py``."""

import json
import re
from pathlib import Path

from longlag.registry import lookup
from longlag.tasks.support.options import options_of, spell

FILE = Path(__file__).resolve().parent.parent / "bench" / "report" / "paper" / "sources.toml"
KINDS = ("task", "cell", "architecture", "clip", "optimizer", "schedule")


def text() -> str:
    """Return the file's text: a table a kind and name, with the summary and reference of its class."""
    lines = ["# What it is and where it is from, as its class says; written by tests/paper_sources.py."]
    for kind in KINDS:
        for name in lookup.shipped(kind):
            of = lookup.find(kind, name)
            summary = re.sub(r"``|\*", "", (of.__doc__ or "").splitlines()[0]).rstrip(".")
            lines += ["", f"[{kind}.{name}]", f"summary = {quoted(summary)}", f"reference = {quoted(of.reference)}"]
            options = {key: option for key, option in options_of(of).items() if option.default is not None}
            told = ", ".join(f"{key} = {quoted(spell(option.default))}" for key, option in options.items())
            words = [word for option in options.values() for word in option.choices]
            lines += [f"options = {{ {told} }}"] * bool(told)
            lines += [f"words = [{', '.join(map(quoted, dict.fromkeys(words)))}]"] * bool(words)
    return "\n".join([*lines, ""])


def quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
