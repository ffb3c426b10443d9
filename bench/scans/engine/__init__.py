"""What fused scans on the CPU share; the kernels themselves lie in `longlag.scans.kernels`, a file a cell.

`base` says what a kernel declares, `pair` and `peepholes` which pairs of scalar functions there are, `functions` holds
exp, tanh and sigmoid. `scan` has the loops over time, `products`, `dots` and `rows` what they call, `weights` what lies
outside them; `layer` puts them together, `stack` does so for several layers, and `laid_out` prepares kept buffers
for it (`longlag.networks.straight`); `chunks` cuts long sequences.
`differentiable` is what torch sees. `loops`, `delta` and `diagonal` serve kernels with loops of their own, `workspace`
lends them memory. `compiler` says how all of it is compiled and kept.
"""
