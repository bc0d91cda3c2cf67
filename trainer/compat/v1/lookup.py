"""`tf.lookup`, with the tables of a vocabulary."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_OWN: dict[str, str] = {
    name: f"trainer.estimator.graph.inside.lookups:{name}"
    for name in (
        "index_table_from_file",
        "index_table_from_tensor",
        "index_to_string_table_from_file",
        "index_to_string_table_from_tensor",
    )
}
_ADVICE: dict[str, str] = {}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, "compat.v1.lookup", _ADVICE)
