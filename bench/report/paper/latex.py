"""Text that LaTeX prints as it is, whatever names it holds."""

_PRINTED = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"\textbar{}",
    "[": "{[}",  # behind a line's end it would be an option of it
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
