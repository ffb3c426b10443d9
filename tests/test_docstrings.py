"""What public docstrings must hold: every parameter of long signatures, every field of values."""

import dataclasses
import importlib
import importlib.util
import inspect
import pkgutil
import re

import longlag
import longlag.tasks

MOST = 3
"""Parameters that a name alone explains."""
LEFT_OUT = ("longlag.registry.skeletons", "longlag.reference", "longlag.__main__")
OPTIONAL = () if importlib.util.find_spec("jax") else ("longlag.perf.jax_loop",)
"""Modules whose library is not installed."""


def modules():
    names = {
        module.name
        for package in (longlag, longlag.tasks)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    }
    return [importlib.import_module(name) for name in sorted(names) if not name.startswith(LEFT_OUT + OPTIONAL)]


def own(module, is_kind):
    return [one for one in vars(module).values() if is_kind(one) and one.__module__ == module.__name__]


def test_functions_of_many_parameters_say_what_each_is():
    silent = [
        f"{module.__name__}.{function.__name__}"
        for module in modules()
        for function in own(module, inspect.isfunction)
        if not function.__name__.startswith("_")
        and len(inspect.signature(function).parameters) > MOST
        and "Args:" not in (function.__doc__ or "")
    ]
    assert silent == []


def test_attributes_that_a_docstring_lists_are_all_of_them():
    wrong = {}
    for module in modules():
        for made in own(module, inspect.isclass):
            listed = re.findall(r"^ {4,8}(\w+): ", (made.__doc__ or "").partition("Attributes:\n")[2], re.MULTILINE)
            if not listed or not dataclasses.is_dataclass(made):
                continue
            inherited = {
                field.name for base in made.__mro__[1:] for field in getattr(base, "__dataclass_fields__", {}).values()
            }
            public = {field.name for field in dataclasses.fields(made) if not field.name.startswith("_")}
            if public - inherited - set(listed):
                wrong[made.__name__] = public - inherited - set(listed)
    assert wrong == {}
