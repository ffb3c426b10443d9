"""Checks the class of a plugin: plugins may add its kind, and it keeps the kind's contract."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field
from types import ModuleType
from typing import Any

from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import options_of, required

KINDS = ("task", "cell", "clip", "optimizer", "schedule")
"""The kinds that plugins may add."""
_CONTRACT = (
    "one class that is a Task, a Cell, a Clip, an Optimiser, a Schedule, or a torch.nn.Module with "
    "__init__(self, input_size, hidden_size) and forward(self, inputs, state)"
)


def one(kind: str) -> str:
    """Return a kind with its article.

    >>> one("cell"), one("optimizer")
    ('a cell', 'an optimizer')
    """
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def one_class(module: ModuleType) -> tuple[str, type]:
    """Return the kind and the class that a module adds.

    Raises:
        UsageError: It defines no such class, several, or an abstract one.
    """
    own = {
        made
        for made in vars(module).values()
        if inspect.isclass(made) and made.__module__ == module.__name__ and not made.__name__.startswith("_")
    }
    fitting = sorted((made for made in own if _contracts(made)), key=lambda made: made.__name__)
    concrete = [made for made in fitting if not inspect.isabstract(made)]
    if not concrete and fitting:
        lacking = ", ".join(sorted(getattr(fitting[0], "__abstractmethods__", ())))
        raise UsageError(f"class {fitting[0].__name__} lacks {lacking}")
    if not concrete and (faults := "; ".join(_not_cells(own))):
        raise UsageError(faults)
    if len(concrete) != 1:
        names = f" ({', '.join(made.__name__ for made in concrete)})" if concrete else ""
        count = f"{len(concrete)} classes{names}" if concrete else "no class"
        hint = "; begin the names of other classes with an underscore" if concrete else ""
        raise UsageError(f"defines {count}; it must define {_CONTRACT}{hint}")
    return kind_of(concrete[0])


def kind_of(made: Any) -> tuple[str, type]:
    """Return the kind of a class, and the class.

    Raises:
        UsageError: It is not a class, or of no kind that plugins may add.
    """
    kinds = _contracts(made) if inspect.isclass(made) else []
    if len(kinds) != 1:
        raise UsageError(f"{made!r} is not {_CONTRACT}")
    return kinds[0], made


def _contracts(made: type) -> list[str]:
    """Return the kinds whose base a class inherits from; also cell for a module with a cell's parameters."""
    from torch import nn

    from longlag.cells.support.backbone import Backbone
    from longlag.clips.base import Clip
    from longlag.optimisers.base import Optimiser
    from longlag.schedules.base import Schedule
    from longlag.tasks.base import Task

    bases = (Task, Backbone, Clip, Optimiser, Schedule)
    kinds = [kind for kind, base in zip(KINDS, bases, strict=True) if issubclass(made, base)]
    return kinds + (["cell"] if issubclass(made, nn.Module) and _is_cell(made) else [])


_BUILT, _CALLED = ["self", "input_size", "hidden_size"], ["self", "inputs", "state"]
"""The parameters of a module that is a cell, in ``__init__`` and in ``forward``."""


def _is_cell(made: type) -> bool:
    return _parameters(made) == (_BUILT, _CALLED)


def _parameters(made: Any) -> tuple[list[str], list[str]]:
    """Return the parameters of a module's ``__init__`` and ``forward``: beyond three, only those without default."""
    called = getattr(made, "forward", made.__init__)
    return _asked(inspect.signature(made.__init__)), _asked(inspect.signature(called))


def _asked(signature: inspect.Signature) -> list[str]:
    parameters = list(signature.parameters.values())
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [one for one in parameters[3:] if one.default is one.empty and one.kind not in several]
    return [one.name for one in (*parameters[:3], *needed)]


def _not_cells(classes: Iterable[type]) -> Iterator[str]:
    """Yield for each module the parameters for which it is not a cell."""
    from torch import nn

    for made in sorted((made for made in classes if issubclass(made, nn.Module)), key=lambda made: made.__name__):
        methods = zip(("__init__", "forward"), _parameters(made), (_BUILT, _CALLED), strict=True)
        wrong = [
            f"{name}({', '.join(has)}), not {name}({', '.join(asked)})" for name, has, asked in methods if has != asked
        ]
        yield f"module {made.__name__} is not a cell: it has {' and '.join(wrong)}"


def completed(kind: str, made: Any, name: str) -> type:
    """Return a plugin's class, checked against the rules of its kind, with the name that users write.

    Raises:
        UsageError: The class breaks a rule.
    """
    from torch import nn

    _has_a_version(made)
    if issubclass(made, nn.Module):
        return _cell_of(made, name)
    for rule in (_is_a_dataclass, _defines_what_bases_declare, _has_options_only, *_RULES[kind]):
        rule(made)
    return made if made.name() == name else _named(name, made, made)


def _named(name: str, like: type, base: type, **attributes: Any) -> type:
    """Return a subclass of a base with the name that users write, and the module and docstring of ``like``."""
    attributes_of = {"name": classmethod(lambda cls: name), "__module__": like.__module__, "__doc__": like.__doc__}
    return type(like.__name__, (base,), attributes_of | attributes)


def _cell_of(module: Any, name: str) -> type:
    from longlag.cells.support.module_cell import ModuleCell
    from longlag.cells.support.module_tensors import admit_module

    admit_module(module)
    return _named(name, module, ModuleCell, module=module, version=getattr(module, "version", 1))


def _has_a_version(made: Any) -> None:
    version = getattr(made, "version", 1)
    if not isinstance(version, int) or version < 1:
        raise UsageError(f"{made.__name__}.version must be a whole number of at least 1, not {version!r}")


def _is_a_dataclass(made: Any) -> None:
    for item in [item for item, value in vars(made).items() if isinstance(value, Field)]:
        raise UsageError(f"class {made.__name__} needs @dataclass(frozen=True): its option {item!r} is not read")


def _defines_what_bases_declare(made: Any) -> None:
    declared = {item for base in made.__mro__[1:] for item in inspect.get_annotations(base)}
    if lacking := sorted(item for item in declared if not hasattr(made, item) and not item.startswith("_")):
        raise UsageError(f"class {made.__name__} lacks {', '.join(lacking)}")


def _has_options_only(made: Any) -> None:
    options_of(made)
    if not required(made):
        made.from_texts({})  # its own rules must accept its defaults


def _has_a_valid_dial(made: Any) -> None:
    made.check_dial()


def _has_a_loss(made: Any) -> None:
    from longlag.tasks.base import Task
    from longlag.tasks.support.losses import LOSSES

    if made.loss is Task.loss and made.loss_name not in LOSSES:
        named = f"its loss_name is {made.loss_name!r}" if made.loss_name else "it names none"
        raise UsageError(f"class {made.__name__} lacks loss: {named}; loss_name is one of {', '.join(LOSSES)}")


def _names_gates_and_states(made: Any) -> None:
    for item in ("gates", "states"):
        _is_a_tuple_of_names(made, item)


def _names_its_memory(made: Any) -> None:
    _is_a_tuple_of_names(made, "memory")


def _is_a_tuple_of_names(made: Any, item: str) -> None:
    if isinstance(named := getattr(made, item, ()), str):
        raise UsageError(f"class {made.__name__}: {item} must be a tuple of names, not {named!r}; write ({named!r},)")


_RULES: dict[str, tuple[Callable[[Any], None], ...]] = {
    "task": (_has_a_valid_dial, _has_a_loss),
    "cell": (_names_gates_and_states,),
    "clip": (),
    "optimizer": (_names_its_memory,),
    "schedule": (),
}
"""The rules for a class of each kind, beside those for all kinds."""
