"""`tf.contrib.lookup`: tables of a vocabulary."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_INSIDE = "trainer.estimator.graph.inside.lookups"
_OWN = {
    **{
        name: f"{_INSIDE}:{name}"
        for name in (
            "HashTable",
            "IdTableWithHashBuckets",
            "MutableDenseHashTable",
            "MutableHashTable",
            "index_table_from_file",
            "index_table_from_tensor",
            "index_to_string_table_from_file",
            "index_to_string_table_from_tensor",
        )
    },
    "KeyValueTensorInitializer": "tensorflow:lookup.KeyValueTensorInitializer",
    "TextFileInitializer": "tensorflow:lookup.TextFileInitializer",
    "TextFileIndex": "tensorflow:lookup.TextFileIndex",
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, {"string_to_index": "Use index_table_from_tensor(…).lookup(…)"})
