"""What a stage that trains hands on."""

from types import SimpleNamespace

import pytest
from diffusers import UNet2DConditionModel

from lamps import SIZE, Lamps
from maquette.learners.novel_view import NovelViewLearner
from maquette.stages.base import StageContext
from maquette.stages.train import Train
from maquette.training.run_folder import RunFolder
from maquette.training.settings import LoopConfig
from maquette.weights.loading import LEARNED_WORDS


@pytest.mark.parametrize("name", ["words", "scene", "mug"])
def test_a_model_is_told_from_words_and_scenes_whatever_its_stage_is_called(name, tmp_path):
    run = RunFolder.create(str(tmp_path), "method", "subject", "{}\n")
    model = run.export / name
    model.mkdir()
    (model / LEARNED_WORDS).touch()
    context = StageContext(name, None, run, resume=True)  # type: ignore[arg-type]
    Train(None).restore(context)  # type: ignore[arg-type]
    made = context.artifacts
    assert made.models == {name: model} and made.words == (model / LEARNED_WORDS,) and made.scene is None


def test_a_model_whose_evaluation_fails_is_saved(tiny_clip, tmp_path):
    class Unmeasured(NovelViewLearner):
        def evaluate(self, dataset, draws):
            raise RuntimeError("no figures")

    config = NovelViewLearner.Config(size=SIZE, widths=(16, 32), attention_levels=1, image_encoder=str(tiny_clip))
    learner = SimpleNamespace(name="novel-view", build=lambda: Unmeasured(config))
    loop = LoopConfig(device="cpu", preview_every=0)
    stage = Train(Train.Config(learner, SimpleNamespace(build=Lamps), steps=1, batch=2, loop=loop))  # type: ignore[arg-type]
    run = RunFolder.create(str(tmp_path), "method", "subject", "{}\n")
    context = StageContext("views", SimpleNamespace(seed=0, stages={}), run, resume=False)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="no figures"):
        stage.run(context)
    UNet2DConditionModel.from_pretrained(run.export / "views", subfolder="unet", low_cpu_mem_usage=False)
    assert not (run.export / "views.json").exists()
