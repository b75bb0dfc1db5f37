"""Sums of loss terms."""

import torch

from maquette.objectives.terms import Terms


def test_losses_of_several_devices_are_summed_on_the_first_ones():
    elsewhere = torch.ones((), device="meta")
    assert Terms({"near": elsewhere, "far": torch.ones(())}).total().device == elsewhere.device
