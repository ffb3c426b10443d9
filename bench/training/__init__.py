"""Training of a cohort: gradients, audits of the clip, evaluation, the end of a trial, kept networks."""
