"""The networks of this folder: each module that defines `NETWORK` is one."""

from __future__ import annotations

import enum
import importlib
import pkgutil
from collections.abc import Iterator

import trainer.networks
from trainer.networks.network import Network


def _discovered() -> Iterator[Network]:
    for module in pkgutil.iter_modules(trainer.networks.__path__):
        if module.name != "registry":
            network = getattr(importlib.import_module(f"trainer.networks.{module.name}"), "NETWORK", None)
            if isinstance(network, Network):
                yield network


NETWORKS = {network.name: network for network in _discovered()}
SETTINGS = tuple(network.settings for network in NETWORKS.values() if network.settings is not None)
"""What may be chosen about each network: the bases of a class of params."""
PRESETS = {name: preset for network in NETWORKS.values() for name, preset in network.presets.items()}
"""The recipes of all networks, by their names."""

Model = enum.Enum("Model", {name.upper(): name for name in NETWORKS})  # type: ignore[misc]
"""The names of the networks, as `--model` takes them."""
