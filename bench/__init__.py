"""The runner: plan, train, measure, store, report."""

if __name__ != "longlag":
    raise ImportError(f"the package in this folder is called longlag, not {__name__}: install it and import longlag")
