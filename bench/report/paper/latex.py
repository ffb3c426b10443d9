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


def escape(text: str) -> str:
    r"""Write text so that LaTeX prints it; line breaks become spaces.

    >>> print(escape("5 % of cell_a"))
    5 \% of cell\_a
    """
    return "".join(_PRINTED.get(character, character) for character in " ".join(text.split("\n")))
