"""Tables of a vocabulary, which TensorFlow 2 still has and no longer shows."""

from __future__ import annotations

from tensorflow.python.ops import lookup_ops

index_table_from_file = lookup_ops.index_table_from_file
index_table_from_tensor = lookup_ops.index_table_from_tensor
index_to_string_table_from_file = lookup_ops.index_to_string_table_from_file
index_to_string_table_from_tensor = lookup_ops.index_to_string_table_from_tensor
HashTable = lookup_ops.HashTable
MutableHashTable = lookup_ops.MutableHashTable
MutableDenseHashTable = lookup_ops.DenseHashTable
IdTableWithHashBuckets = lookup_ops.IdTableWithHashBuckets
