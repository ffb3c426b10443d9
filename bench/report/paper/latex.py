"""Escapes text so that LaTeX prints it as it is."""

_PRINTED = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row LaTeX would read it as an option
    '"': r"\textquotedbl{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{EN DASH}": "--",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "√": r"$\surd$",
}


_LAST_LETTER = "\u017f"
"""The last of the letters that LaTeX has without further packages."""


def escape(text: str) -> str:
    r"""Write text so that LaTeX prints it; line breaks become spaces, and characters that it lacks their numbers.

    >>> print(escape("5 % of cell_a"), escape("\u202ex"))
    5 \% of cell\_a (U+202E)x
    """
    return "".join(map(_escaped, " ".join(text.split("\n"))))


def _escaped(character: str) -> str:
    if character in _PRINTED:
        return _PRINTED[character]
    return character if character.isprintable() and character <= _LAST_LETTER else f"(U+{ord(character):04X})"
