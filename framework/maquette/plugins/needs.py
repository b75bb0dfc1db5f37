"""What the parts of plugins need of a machine, by their manifests, and what of it is missing here."""

from __future__ import annotations

from maquette import plugins
from maquette.kernels.cores import memory_gb
from maquette.registry import Needs


def needs_words(needs: Needs) -> str:
    """The needs of a part, in words; "" without any.

    Example:
        >>> needs_words(Needs(gpu=True, gpu_memory_gb=16, weights=("acme/tiny",)))
        'needs a GPU with 16 GB, weights acme/tiny'
    """
    gpu = f"a GPU with {needs.gpu_memory_gb:g} GB" if needs.gpu_memory_gb else "a GPU"
    words = [gpu] if needs.gpu else []
    words += [f"{needs.memory_gb:g} GB of memory"] if needs.memory_gb else []
    words += [f"weights {' and '.join(needs.weights)}"] if needs.weights else []
    return f"needs {', '.join(words)}" if words else ""


def missing_here(needs: Needs) -> str:
    """What a part needs and this machine has not, in words; "" if nothing that shows without a network."""
    from maquette.kernels.devices import gpu_memory_gb  # torch: a list of parts does without

    if needs.gpu:
        present = gpu_memory_gb()
        if not present:
            return f"{needs_words(Needs(gpu=True, gpu_memory_gb=needs.gpu_memory_gb))[6:]}, and there is none here"
        if present < needs.gpu_memory_gb:
            return f"a GPU with {needs.gpu_memory_gb:g} GB, and the largest here has {present:.3g} GB"
    if 0 < (present := memory_gb()) < needs.memory_gb:
        return f"{needs.memory_gb:g} GB of memory, and there are {present:.3g} GB here"
    for name in needs.weights:
        if "/" not in name and plugins.find_weights(name) is None:  # others may be on the hub
            return f"the weights {name}, which no plugin carries"
    return ""
