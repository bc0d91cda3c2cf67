from __future__ import annotations

import numpy as np

from trainer.formats.pipeline.windows import Windows, of_rows


def test_windows_of_a_series_overlap() -> None:
    table = np.arange(20.0).reshape(10, 2)
    windows = Windows(values=table, labels=table[:, 1:], count=3, steps=2, horizon=1, first_value=4, first_label=6)
    values, labels = windows.take(1, 99)
    np.testing.assert_array_equal(values, [[[10, 11], [12, 13]], [[12, 13], [14, 15]]])
    np.testing.assert_array_equal(labels, [[[15]], [[17]]])


def test_rows_are_cut_into_history_and_label() -> None:
    windows = of_rows(np.arange(12.0).reshape(3, 4), 3, 1)
    blocks = list(windows.blocks(2))
    assert [len(labels) for _, labels in blocks] == [2, 1]
    np.testing.assert_array_equal(blocks[1][0], [[[8], [9], [10]]])
    np.testing.assert_array_equal(blocks[1][1], [[[11]]])
    assert windows.typed_labels is windows.typed_values
