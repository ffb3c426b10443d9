"""What this process has seen of plugins: what they load and read, which holds for as long as their digest does."""

from collections.abc import Collection, Mapping

from longlag.process import fresh_import, reads
from longlag.process.own_code import Origin, Sources, beside, imported_libraries, loads_more
from longlag.process.unseen import reads_by

SECONDS = 180.0
"""The longest that a plugin may take to import in a fresh process, which loads libraries, on a busy machine."""

_seen: dict[Origin, tuple[str, Sources]] = {}
"""What was seen of each plugin, with the digest of it all: as long as that is the same, so is what it loads."""


def seen() -> dict[Origin, tuple[str, Sources]]:
    """Return what this process has seen of plugins, for another one."""
    return dict(_seen)


def have_seen(what: Mapping[Origin, tuple[str, Sources]]) -> None:
    """Take over what another process has seen of plugins."""
    _seen.update(what)


def sources_of(origin: Origin, content: bytes) -> Sources:
    """Return what a plugin loads beside its file, found in a fresh process where it may load anything.

    Raises:
        TookTooLongError: It took longer than `SECONDS`.
    """
    digest, found = _seen.get(origin, ("", Sources()))
    try:
        if found.digest(content) == digest:
            return found
    except OSError:  # a file is gone
        pass
    if found.files or found.outside or loads_more(content, origin):
        return look(origin, content)
    through = tuple(sorted(reads_by([content], origin)))
    found = Sources(libraries=imported_libraries(content, origin), through=through)
    _seen[origin] = found.digest(content), found
    return found


def look(origin: Origin, content: bytes) -> Sources:
    """Return what a plugin loads and reads, found in a fresh process.

    Raises:
        TookTooLongError: It took longer than `SECONDS`.
    """
    found = fresh_import.look(origin, SECONDS)
    _seen[origin] = found.digest(content), found
    return found


def read_since(origin: Origin, sources: Sources, more: Collection[str] = ()) -> Sources:
    """Return what a plugin's code has read beside what is known.

    Args:
        origin: The plugin.
        sources: What is known of it.
        more: Further files of its code.
    """
    code = {origin.path, *sources.files.values(), *more}
    inside, outside = beside(reads.read_by(code), code)
    through = fresh_import.through_in({*code, *inside.values()}, origin) - set(sources.through)
    elsewhere = sorted(set(outside) - set(sources.outside))
    return Sources(inside, outside=tuple(elsewhere), through=tuple(sorted(through)))
