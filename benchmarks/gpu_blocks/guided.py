"""Steps under the priors people use, at the methods' real settings, with random weights."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gpu_blocks import models
from gpu_blocks.record import Findings, Setting
from gpu_blocks.stepper import Stepper

PROMPT = "prompt=a red mug"


def sds(setting: Setting, findings: Findings) -> None:
    """DreamFusion with SD 1.5: a volume of 64 x 64 rays, the prior at 512 x 512."""
    size = setting.pick(512, 32)
    words = [PROMPT, "prior=sd15", f"prior.path={models.stable_diffusion(setting)}", f"prior.size={size}"]
    figures = Stepper(setting, "dreamfusion", "nerf", words).measure(findings, *setting.pick((30, 100), (1, 2)))
    findings.fast("steps per second", figures["steps_per_second"], at_least=20)
    findings.fast("peak MiB", figures["peak_mib"], at_most=6 * 1024)
    findings.fast("share of rendering", figures["render_share"], at_most=0.1)
    findings.fast("launches a step", figures["launches"], at_most=3500)


def mvdream(setting: Setting, findings: Findings) -> None:
    """MVDream on SD 2.1: four views of 256 x 256, rendered at that size."""
    words = [PROMPT, "prior=mvdream", f"prior.path={models.mvdream(setting)}", "stages.nerf.cameras.groups=1"]
    size = [f"stages.nerf.cameras.size={setting.pick(256, 16)}"]
    figures = Stepper(setting, "mvdream", "nerf", words + size).measure(findings, *setting.pick((5, 45), (1, 2)))
    findings.fast("steps per second", figures["steps_per_second"], at_least=8)
    findings.fast("peak MiB", figures["peak_mib"], at_most=8 * 1024)


def zero123(setting: Setting, findings: Findings) -> None:
    """Zero-1-to-3: four renderings of 64 x 64, which the prior sees at 256 x 256, beside the reference view."""
    side = setting.pick(256, 32)
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[side // 4 : -side // 4, side // 4 : -side // 4] = (180, 60, 40, 255)
    Image.fromarray(rgba).save(setting.folder / "reference.png")
    words = [f"image={setting.folder / 'reference.png'}", "prior=zero123", f"prior.path={models.zero123(setting)}"]
    sizes = [f"stages.nerf.cameras.size={setting.pick(64, 16)}", f"stages.nerf.data.size={setting.pick(256, 16)}"]
    figures = Stepper(setting, "zero123", "nerf", words + sizes).measure(findings, *setting.pick((5, 30), (1, 2)))
    findings.fast("steps per second", figures["steps_per_second"], at_least=15)
    findings.fast("peak MiB", figures["peak_mib"], at_most=8 * 1024)


def vsd(setting: Setting, findings: Findings) -> None:
    """ProlificDreamer's first stage with SD 1.5, at its first and its last size of picture."""
    for size, least in setting.pick(((64, 6), (512, 3)), ((16, 6),)):
        words = [PROMPT, "prior=sd15", f"prior.path={models.stable_diffusion(setting)}"]
        sizes = [f"prior.size={setting.pick(512, 32)}", f"stages.nerf.cameras.size={size}"]
        stepper = Stepper(setting, "prolificdreamer", "nerf", words + sizes)
        figures = stepper.measure(findings, *setting.pick((5, 25), (1, 2)), name=f"{size} px")
        findings.fast(f"steps per second at {size} px", figures["steps_per_second"], at_least=least)
        findings.fast(f"peak MiB at {size} px", figures["peak_mib"], at_most=16 * 1024)


def sdxl(setting: Setting, findings: Findings) -> None:
    """DreamFusion with SDXL at 1024 x 1024."""
    words = [PROMPT, "prior=sdxl", f"prior.path={models.stable_diffusion_xl(setting)}"]
    figures = Stepper(setting, "dreamfusion", "nerf", words).measure(findings, *setting.pick((5, 15), (1, 2)))
    findings.fast("steps per second", figures["steps_per_second"], at_least=4)
    findings.fast("peak MiB", figures["peak_mib"], at_most=24 * 1024)
