"""Labels of data that tasks read from files; they are part of a trial's key, so that other data makes another trial."""

import hashlib
import re

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[0-9a-f]{16,64}")


def data_label(name: str, *contents: bytes) -> str:
    """Return a label: a name, a colon and sixteen hexadecimal digits, a hash of the contents of files in their order.

    >>> data_label("words", b"one", b"two") == data_label("words", b"one", b"three")
    False
    """
    digest = hashlib.sha256()
    for content in contents:
        digest.update(f"{len(content)}\n".encode() + content)
    return f"{name}:{digest.hexdigest()[:16]}"


def is_data_label(label: object) -> bool:
    """Return whether something is a valid data label: empty, or a name, a colon and a digest.

    >>> is_data_label(""), is_data_label("words:0123456789abcdef"), is_data_label("words.txt"), is_data_label(None)
    (True, True, False, False)
    """
    return isinstance(label, str) and (not label or _LABEL.fullmatch(label) is not None)
