"""The recipes of the networks: each is a command line that the task takes, named after its network and its data."""

from __future__ import annotations

import pytest

from trainer.formats.settings import ForecastData
from trainer.job import flags, presets
from trainer.job.config import RunSettings
from trainer.model import PROBLEM, Params
from trainer.networks import registry


@pytest.mark.parametrize("name", registry.PRESETS)
def test_a_preset_is_a_recipe_for_its_network(name):
    argv = presets.expanded([f"--preset={name}"], PROBLEM.presets)
    settings = flags.parse(argv, RunSettings, ForecastData, Params)
    network = settings[Params].model.value
    assert name.startswith(f"{network}_")
    assert name in registry.NETWORKS[network].presets


def test_a_recipe_of_the_papers_halves_the_rate_each_epoch_from_the_third():
    recipe = presets.expanded(["--preset=dlinear_etth1"], registry.PRESETS)
    assert {"--learning_rate=0.005", "--decay_rate=0.5", "--constant_epochs=1"} <= {*recipe}
    assert {"--lookback=336", "--horizon=96", "--num_epochs=10"} <= {*recipe}


@pytest.mark.parametrize(("schedule", "decays"), [("constant", 0), ("cosine", 0), ("step", 2)])
def test_another_schedule_takes_the_place_of_all_that_belongs_to_the_recipe_s(schedule, decays):
    argv = presets.expanded(["--preset=dlinear_etth1", f"--learning-rate-schedule={schedule}"], registry.PRESETS)
    assert sum(flag.startswith(("--decay_rate", "--constant_epochs")) for flag in argv) == decays
    settings = flags.parse(argv, RunSettings, ForecastData, Params)[Params]
    assert settings.learning_rate_schedule.value == schedule
