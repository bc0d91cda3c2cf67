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
    recipe = registry.PRESETS["dlinear_etth1"]
    assert (recipe["learning_rate"], recipe["decay_rate"], recipe["constant_epochs"]) == ("0.005", "0.5", "1")
    assert (recipe["lookback"], recipe["horizon"], recipe["num_epochs"]) == ("336", "96", "10")
