"""The machinery of fused scans on the CPU; the kernels themselves are in `longlag.scans.kernels`, one file a cell.

`base` and `pair` say what a kernel declares; `functions` holds exp, tanh and sigmoid; `peepholes` and `modrelu` hold
time steps of particular cells. `scan` has the loops over time, `products`, `dots` and `rows` the functions they call,
and `weights` the computations outside the loops. `layer` joins them to a layer, `stack` to several layers, and
`laid_out` does so in buffers that are kept (`longlag.networks.straight`). `chunks` cuts long sequences.
`differentiable` makes a layer a function of autograd. `loops`, `delta` and `diagonal` serve kernels with loops of their
own, and `workspace` lends memory. `compiler` says how all of it is compiled and cached.
"""
