"""The arithmetic of the optimizers of Keras 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned.keras2_optimizer import Keras2Optimizer


class Adagrad(Keras2Optimizer):
    """Duchi et al. 2011."""

    slots = ("accumulator",)

    def _resource_apply_dense(self, grad: tf.Tensor, var: Any) -> Any:
        """Moves a variable by a gradient of the same shape."""
        return tf.raw_ops.ResourceApplyAdagradV2(**self._arguments(var), grad=grad)

    def _resource_apply_sparse(self, grad: tf.Tensor, var: Any, indices: tf.Tensor) -> Any:
        """Moves rows of a variable [all, …], each named once, by their gradients [rows, …]."""
        return tf.raw_ops.ResourceSparseApplyAdagradV2(**self._arguments(var), grad=grad, indices=indices)

    def _arguments(self, var: Any) -> dict[str, Any]:
        accumulator = self._handles(var)["accumulator"]
        return {"var": var.handle, "accum": accumulator, "lr": self._rate(), "epsilon": self._epsilon()}


class Ftrl(Keras2Optimizer):
    """McMahan et al. 2013."""

    slots = ("accumulator", "linear")

    def _resource_apply_dense(self, grad: tf.Tensor, var: Any) -> Any:
        """Moves a variable by a gradient of the same shape."""
        return tf.raw_ops.ResourceApplyFtrlV2(**self._arguments(var), grad=grad)

    def _resource_apply_sparse(self, grad: tf.Tensor, var: Any, indices: tf.Tensor) -> Any:
        """Moves rows of a variable [all, …], each named once, by their gradients [rows, …]."""
        return tf.raw_ops.ResourceSparseApplyFtrlV2(**self._arguments(var), grad=grad, indices=indices)

    def _arguments(self, var: Any) -> dict[str, Any]:
        rate, handles = self._rate(), self._handles(var)
        return {
            "var": var.handle,
            "accum": handles["accumulator"],
            "linear": handles["linear"],
            "lr": rate,
            "l1": self._number("l1_regularization_strength"),
            # The op has no beta, which is a part of the second penalty.
            "l2": self._number("l2_regularization_strength") + self._number("beta") / (2.0 * rate),
            "l2_shrinkage": float(self._settings.others["l2_shrinkage_regularization_strength"]),
            "lr_power": self._number("learning_rate_power"),
        }


class SGD(Keras2Optimizer):
    """Gradient descent, with momentum where that is above zero."""

    @property
    def slots(self) -> Sequence[str]:  # type: ignore[override]
        """Those that its settings ask for."""
        return ("momentum",) if self._settings.numbers["momentum"] else ()

    def _resource_apply_dense(self, grad: tf.Tensor, var: Any) -> Any:
        """Moves a variable by a gradient of the same shape."""
        if not self.slots:
            return tf.raw_ops.ResourceApplyGradientDescent(var=var.handle, alpha=self._rate(), delta=grad)
        return tf.raw_ops.ResourceApplyKerasMomentum(**self._arguments(var), grad=grad)

    def _resource_apply_sparse(self, grad: tf.Tensor, var: Any, indices: tf.Tensor) -> Any:
        """Moves rows of a variable [all, …], each named once, by their gradients [rows, …]."""
        if not self.slots:
            return tf.raw_ops.ResourceScatterSub(resource=var.handle, indices=indices, updates=grad * self._rate())
        return tf.raw_ops.ResourceSparseApplyKerasMomentum(**self._arguments(var), grad=grad, indices=indices)

    def _arguments(self, var: Any) -> dict[str, Any]:
        accumulator, momentum = self._handles(var)["momentum"], self._number("momentum")
        nesterov = bool(self._settings.others["nesterov"])
        rate = self._rate()
        return {"var": var.handle, "accum": accumulator, "lr": rate, "momentum": momentum, "use_nesterov": nesterov}


class Adam(Keras2Optimizer):
    """Kingma and Ba 2015; with `amsgrad` Reddi et al. 2018."""

    @property
    def slots(self) -> Sequence[str]:  # type: ignore[override]
        """Those that its settings ask for."""
        return ("m", "v", "vhat") if self._settings.others["amsgrad"] else ("m", "v")

    def _resource_apply_dense(self, grad: tf.Tensor, var: Any) -> Any:
        """Moves a variable by a gradient of the same shape."""
        numbers = {name.replace("_", ""): self._number(name) for name in ("beta_1", "beta_2")}
        powers = {f"{name}_power": tf.pow(value, self._steps()) for name, value in numbers.items()}
        apply = tf.raw_ops.ResourceApplyAdamWithAmsgrad if "vhat" in self.slots else tf.raw_ops.ResourceApplyAdam
        given = {"lr": self._rate(), "epsilon": self._epsilon(), "grad": grad}
        return apply(var=var.handle, **self._handles(var), **numbers, **powers, **given)

    def _resource_apply_sparse(self, grad: tf.Tensor, var: Any, indices: tf.Tensor) -> Any:
        """Moves rows of a variable [all, …], each named once, by their gradients [rows, …]."""
        # The moments of all rows decay, and all rows move by them, as in Keras 2.
        first, second = self._number("beta_1"), self._number("beta_2")
        steps = self._steps()
        rate = self._rate() * tf.sqrt(1 - tf.pow(second, steps)) / (1 - tf.pow(first, steps))
        mean = _decayed(self.get_slot(var, "m"), first, grad, indices)
        square = _decayed(self.get_slot(var, "v"), second, grad * grad, indices)
        if "vhat" in self.slots:
            greatest = self.get_slot(var, "vhat")
            square = greatest.assign(tf.maximum(greatest, square))
        return var.assign_sub(rate * mean / (tf.sqrt(square) + self._epsilon()), read_value=False)

    def _steps(self) -> tf.Tensor:
        """Those made with this one, float32 []."""
        return tf.cast(self._iterations() + 1, tf.float32)


class RMSprop(Keras2Optimizer):
    """Hinton's lecture 6e; `centered` as in Graves 2013."""

    @property
    def slots(self) -> Sequence[str]:  # type: ignore[override]
        """Those that its settings ask for."""
        momentum = ("momentum",) if self._settings.numbers["momentum"] else ()
        return ("rms", *momentum, *(("mg",) if self._settings.others["centered"] else ()))

    def _resource_apply_dense(self, grad: tf.Tensor, var: Any) -> Any:
        """Moves a variable by a gradient of the same shape."""
        if "momentum" in self.slots:
            apply = tf.raw_ops.ResourceApplyCenteredRMSProp if "mg" in self.slots else tf.raw_ops.ResourceApplyRMSProp
            return apply(**self._arguments(var), grad=grad)
        rho, rms = self._number("rho"), self.get_slot(var, "rms")
        square = rms.assign(rho * rms + (1.0 - rho) * tf.square(grad))
        if "mg" in self.slots:
            mean = self.get_slot(var, "mg")
            square -= tf.square(mean.assign(rho * mean + (1.0 - rho) * grad))
        return var.assign_sub(self._rate() * grad / (tf.sqrt(square) + self._epsilon()), read_value=False)

    def _resource_apply_sparse(self, grad: tf.Tensor, var: Any, indices: tf.Tensor) -> Any:
        """Moves rows of a variable [all, …], each named once, by their gradients [rows, …]."""
        if "momentum" in self.slots:
            ops = tf.raw_ops
            apply = ops.ResourceSparseApplyCenteredRMSProp if "mg" in self.slots else ops.ResourceSparseApplyRMSProp
            return apply(**self._arguments(var), grad=grad, indices=indices)
        rho = self._number("rho")
        square = tf.gather(_decayed(self.get_slot(var, "rms"), rho, tf.square(grad), indices), indices)
        if "mg" in self.slots:
            square -= tf.square(tf.gather(_decayed(self.get_slot(var, "mg"), rho, grad, indices), indices))
        change = self._rate() * grad / (tf.sqrt(square) + self._epsilon())
        with tf.control_dependencies([square]):
            return tf.raw_ops.ResourceScatterSub(resource=var.handle, indices=indices, updates=change)

    def _arguments(self, var: Any) -> dict[str, Any]:
        names = {"rms": "ms", "momentum": "mom", "mg": "mg"}
        handles = {names[slot]: handle for slot, handle in self._handles(var).items()}
        numbers = {name: self._number(name) for name in ("rho", "momentum")}
        return {"var": var.handle, **handles, **numbers, "lr": self._rate(), "epsilon": self._epsilon()}


def _decayed(average: tf.Variable, keep: tf.Tensor, values: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """An exponential average [rows, …], after rows of it were told something.

    Args:
      average: [rows, …].
      keep: [], the share of the old that it keeps.
      values: [some, …], of the rows at `indices`; others are told 0.
      indices: [some], each once.
    """
    kept = average.assign(average * keep)
    with tf.control_dependencies([kept]):
        added = tf.raw_ops.ResourceScatterAdd(resource=average.handle, indices=indices, updates=values * (1 - keep))
    with tf.control_dependencies([added]):
        return average.read_value()
