"""Where Keras keeps what `compile()` was given."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from trainer.estimator.graph.inside import keras_compile


class OwnCompile(keras.Model):
    def compile(self, **given: Any) -> None:
        super().compile(**given)


def model() -> keras.Model:
    inputs = keras.Input([1])
    return keras.Model(inputs, keras.layers.Dense(1)(inputs))


@pytest.mark.parametrize("given", [True, False, "auto", None])
def test_keras_keeps_the_arguments_of_compile_as_long_as_it_is_not_called_again(given: Any) -> None:
    compiled = model()
    compiled.compile("sgd", "mse", jit_compile=given)
    assert keras_compile.given_jit_compile(compiled) is (given if isinstance(given, bool) else None)
    compiled.compile("sgd", "mse")
    assert keras_compile.given_jit_compile(compiled) is None


def test_a_compile_of_ones_own_is_still_told_from_that_of_keras() -> None:
    compiled = OwnCompile()
    compiled.compile(optimizer="sgd", loss="mse", jit_compile=False)
    assert keras_compile.given_jit_compile(compiled) is False
    plain = model()
    plain.compile("sgd", "mse", jit_compile=False)
    with pytest.warns(UserWarning, match="custom"):
        OwnCompile().compile_from_config(plain.get_compile_config())
