"""A scheduler's noise process is read where a prior knows it, against diffusers' own tables, and refused elsewhere."""

import json
import shutil
from typing import get_args

import diffusers
import pytest
import torch

from maquette.diffusion.noise import DiscreteSchedule, Prediction, schedule_of
from maquette.errors import ConfigError
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.weights.schedulers import DISCRETE, PREDICTIONS, noise_scheduler

EDM = {"_class_name": "EDMEulerScheduler", "sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
DDPM = {"_class_name": "DDPMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


@pytest.mark.parametrize("name", sorted(DISCRETE - {"DPMSolverSDEScheduler"}))
@pytest.mark.parametrize("settings", [{}, {"beta_schedule": "scaled_linear", "beta_start": 0.001, "beta_end": 0.01}])
def test_every_known_scheduler_gives_the_table_that_it_has_itself(name, settings):
    theirs = getattr(diffusers, name)(**settings).alphas_cumprod
    ours = noise_scheduler({"_class_name": name, **settings}, "scheduler_config.json").alphas_cumprod
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (EDM, r"is EDMEulerScheduler \(EDM\), whose noise process no prior here knows"),
        (FLOW, r"is FlowMatchEulerDiscreteScheduler \(flow matching\), whose noise"),
        ({**DDPM, "prediction_type": "flow_prediction"}, r"prediction type is 'flow_prediction' \(flow matching\)"),
        ({**DDPM, "prediction_type": "rectified"}, "prediction type is 'rectified'"),
        ({**DDPM, "prediction_type": None}, "prediction type is None"),
        ({**DDPM, "beta_schedule": "laplace_of_mine"}, "beta schedule is 'laplace_of_mine'"),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True}, r"\(flow matching\)"),
        ({"_class_name": "DDPMWuerstchenScheduler"}, "is DDPMWuerstchenScheduler"),
        ({"_class_name": "MyScheduler"}, "is MyScheduler"),
        ({}, "is of no class that its config names"),
        ({**DDPM, "num_train_timesteps": 0}, "num_train_timesteps is a whole number from 1 to 100,000, not 0"),
        ({**DDPM, "num_train_timesteps": 1e9}, "num_train_timesteps is a whole number"),
        ({**DDPM, "beta_end": "0.012"}, "beta_start and beta_end are numbers above 0"),
        ({**DDPM, "beta_end": float("nan")}, "beta_start and beta_end are numbers above 0"),
        ({**DDPM, "trained_betas": []}, "trained_betas are numbers above 0"),
    ],
)
def test_another_process_is_refused_in_one_line(config, reason):
    with pytest.raises(ConfigError, match=rf"^prior\.path: .*{reason}.*scheduler_config\.json"):
        noise_scheduler(config, "scheduler/scheduler_config.json")


@pytest.mark.parametrize("config", [EDM, FLOW])
def test_a_model_with_another_process_is_refused_before_it_is_loaded(config, tiny_pixel_model, tmp_path):
    model = shutil.copytree(tiny_pixel_model, tmp_path / "model")
    (model / "scheduler/scheduler_config.json").write_text(json.dumps(config))
    (model / "unet/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"no prior here knows .*; known are the prediction types epsilon, v_pre"):
        StableDiffusion(StableDiffusion.Config(path=str(model), device="cpu"))


def test_what_older_releases_wrote_for_clean_pictures_is_understood():
    assert noise_scheduler({**DDPM, "predict_epsilon": False}, "").config.prediction_type == "sample"


def test_a_terminal_ratio_of_zero_is_never_divided_by():
    scheduler = noise_scheduler({**DDPM, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}, "")
    schedule = schedule_of(scheduler, torch.device("cpu"))
    alpha, sigma = schedule.alpha_sigma(torch.tensor([999]))
    assert scheduler.alphas_cumprod[-1] == 0 < float(alpha) < 1e-3 and torch.isfinite(sigma / alpha).all()


def test_the_prediction_types_of_schedules_and_of_models_are_the_same():
    assert get_args(Prediction) == PREDICTIONS


def test_a_schedule_of_an_unknown_prediction_is_no_schedule():
    with pytest.raises(ValueError, match="a prediction type is one of epsilon, v_prediction, sample, not 'flow'"):
        DiscreteSchedule(torch.tensor([0.9]), "flow")  # type: ignore[arg-type]
