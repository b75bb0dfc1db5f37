"""Kernels: one public function per operation, several backends behind it.

Each folder is one kernel: its `__init__` is the public face (shapes and mathematics), `reference.py` the definition in
plain torch and the oracle of every test, `numba_cpu.py` the fast CPU backend, `triton_cuda.py` the CUDA backend; other
files in `_cuda.py` adapt other packages. `backends.py` chooses between them. Import a kernel from its own folder,

    from maquette.kernels.hash_grid import HashGridSpec, hash_grid
    from maquette.kernels.compositing import accumulate, composite
    from maquette.kernels.marching import march_rays, ray_box
    from maquette.kernels.rasterise import antialias, interpolate, rasterise, sample_texture
    from maquette.kernels.splatting import project, spherical_harmonics, splat
    from maquette.kernels.gaussian_field import gaussian_field
    from maquette.kernels.tetrahedra import marching_tetrahedra, tetrahedral_grid
    from maquette.kernels.flexicubes import cube_grid, flexicubes
    from maquette.kernels.selection import select
    from maquette.kernels.height_field import cast_rays
    from maquette.kernels.simplex_noise import simplex_noise

so that nothing is loaded that is not used; numba in particular loads at the first call that takes it.
"""
