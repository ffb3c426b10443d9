"""Everything that has a name: tasks, cells, clips, architectures, optimisers, schedules, and plugins beside them."""

from longlag.registry.lookup import (
    blamed,
    cell,
    clip,
    find,
    forgetful,
    labels_of,
    names,
    offered,
    optimizer,
    plugin,
    plugins_of,
    schedule,
    shipped,
    task,
    use,
    used,
)

__all__ = [
    "blamed",
    "cell",
    "clip",
    "find",
    "forgetful",
    "labels_of",
    "names",
    "offered",
    "optimizer",
    "plugin",
    "plugins_of",
    "schedule",
    "shipped",
    "task",
    "use",
    "used",
]
