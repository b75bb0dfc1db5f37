"""What a stage that trains hands on."""

import pytest

from maquette.stages.base import StageContext
from maquette.stages.train import Train
from maquette.training.run_folder import RunFolder
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
