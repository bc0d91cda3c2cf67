"""What TensorFlow's operations say of values that they refuse, in a line."""

from __future__ import annotations

import re

import tensorflow as tf

_NODE = re.compile(r"\s*\[\[\{\{node.*|\s*\[Op:.*|\{\{function_node .*?\}\}\s*", re.DOTALL)
_FRAME = re.compile(r'Graph execution error|Detected at node|<stack traces|\s*File "|\d+ root error|\s*$')
_CODE = re.compile(r"^\s*\(\d+\) [A-Z_ ]+: ")
_MOST_TOLD = 300


def told(error: Exception) -> str:
    """What TensorFlow says of values that it refuses, without the names of its nodes."""
    text = error.message if isinstance(error, tf.errors.OpError) else error
    lines = [line for line in _NODE.sub("", str(text)).splitlines() if not _FRAME.match(line)]
    return _CODE.sub("", lines[0]).strip()[:_MOST_TOLD] if lines else type(error).__name__
