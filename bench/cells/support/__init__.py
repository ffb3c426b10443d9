"""Code that cells share: initial values, parts of equations, and a cell made of a module."""
