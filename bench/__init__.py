"""A benchmark suite: how far back a recurrent network remembers, under which gradient clipping."""

if __name__ != "longlag":
    raise ImportError(f"the package in this folder is called longlag, not {__name__}: install it and import longlag")
