"""The runner: plan, train, measure, store, report."""
