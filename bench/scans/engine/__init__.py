"""Fused scans on the CPU: a shared driver, and for each cell a pair of pure scalar functions in a file of its name.

`base` says what a kernel declares, `functions` holds exp, tanh and sigmoid, `products` the matrix product of one
time step, `scan` the loops over time, `weights` what lies outside them, `layer` puts them together,
`differentiable` is what torch sees; `compiler` says how all of it is compiled and kept, `find` which cell has one.
"""
