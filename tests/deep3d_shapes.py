"""A small network, and the shapes of the original one."""

from __future__ import annotations

from maquette.stereo.network import Architecture

SMALL = Architecture(
    shifts=3, first_shift=-1, size=(32, 64), frame=(40, 72), widths=(4, 4, 8, 8, 8), hidden=8, dropout=0.5
)


def original_shapes() -> dict[str, tuple[int, ...]]:
    """Name -> shape of every parameter, by hand from the published symbol file."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, before, after in (
        ("conv1_1", 3, 64), ("conv2_1", 64, 128), ("conv3_1", 128, 256), ("conv3_2", 256, 256), ("conv4_1", 256, 512),
        ("conv4_2", 512, 512), ("conv5_1", 512, 512), ("conv5_2", 512, 512), ("pred1", 64, 33), ("pred2", 128, 33),
        ("pred3", 256, 33), ("pred4", 512, 33), ("convolution0", 33, 33),
    ):  # fmt: skip
        shapes |= {f"{name}.weight": (after, before, 3, 3), f"{name}.bias": (after,)}
    for name, before, after in (("fc6", 512 * 5 * 12, 512), ("fc7", 512, 512), ("pred5", 512, 33 * 5 * 12)):
        shapes |= {f"{name}.weight": (after, before), f"{name}.bias": (after,)}
    for name, side in (("pred1", 1), ("pred2", 4), ("pred3", 8), ("pred4", 16), ("pred5", 32), ("predup", 4)):
        shapes |= {f"deconv_{name}.weight": (33, 33, side, side), f"deconv_{name}.bias": (33,)}
    for name, width in (("bn_pool1", 64), ("bn_pool2", 128), ("bn_pool3", 256), ("bn_pool4", 512)):
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    return shapes
