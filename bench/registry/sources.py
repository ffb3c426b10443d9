"""A cache of the modules and files that plugins load, which is valid as long as their digests are the same."""

from collections.abc import Collection, Mapping

from longlag.process import fresh_import, reads
from longlag.process.own_code import Origin, Sources, beside, imported_libraries, loads_more
from longlag.process.unseen import reads_by

SECONDS = 180.0
"""The time limit for importing a plugin in a fresh process, which also loads libraries, on a busy machine."""

_seen: dict[Origin, tuple[str, Sources]] = {}
"""The sources of each plugin, with their digest: as long as it is the same, the plugin loads the same files."""


def seen() -> dict[Origin, tuple[str, Sources]]:
    """Return the cache, for another process."""
    return dict(_seen)


def have_seen(what: Mapping[Origin, tuple[str, Sources]]) -> None:
    """Add the cache of another process to this one's."""
    _seen.update(what)


def sources_of(origin: Origin, content: bytes) -> Sources:
    """Return the modules and files that a plugin loads; one that may load any is imported in a fresh process.

    Raises:
        TookTooLongError: It took longer than `SECONDS`.
    """
    digest, sources = _seen.get(origin, ("", Sources()))
    try:
        if sources.digest(content) == digest:
            return sources
    except OSError:  # a file is missing
        pass
    if sources.files or sources.outside or loads_more(content, origin):
        return look(origin, content)
    through = tuple(sorted(reads_by([content], origin)))
    found = Sources(libraries=imported_libraries(content, origin), through=through)
    _seen[origin] = found.digest(content), found
    return found


def look(origin: Origin, content: bytes) -> Sources:
    """Return the modules and files that a plugin loads and reads, by importing it in a fresh process.

    Raises:
        TookTooLongError: It took longer than `SECONDS`.
    """
    sources = fresh_import.look(origin, SECONDS)
    _seen[origin] = sources.digest(content), sources
    return sources


def read_since(origin: Origin, sources: Sources, more: Collection[str] = ()) -> Sources:
    """Return the files that a plugin's code has read, and its ways to read unseen, without the known ones.

    Args:
        origin: The plugin.
        sources: The known modules and files.
        more: Further files of its code.
    """
    code = {origin.path, *sources.files.values(), *more}
    inside, outside = beside(reads.read_by(code), code)
    through = fresh_import.through_in({*code, *inside.values()}, origin) - set(sources.through)
    elsewhere = sorted(set(outside) - set(sources.outside))
    return Sources(inside, outside=tuple(elsewhere), through=tuple(sorted(through)))
