"""Bayesian optimisation for studies of tens of trials: a Gaussian process, and where it expects the most improvement.

After each trial a Gaussian process is fitted to the losses so far: at every point of the unit cube it predicts a normal
distribution of the loss, narrow near tried points and wide far from them. The next trial is the point with the largest
expected improvement on the lowest loss, which is either promising or unexplored.

- Kernel, acquisition and the fit of its settings follow Snoek, Larochelle and Adams (2012), "Practical Bayesian
  Optimization of Machine Learning Algorithms": Matérn 5/2 with a length for each parameter, expected improvement.
- A running trial counts as if it had given the predicted mean, so that the next one goes elsewhere: the "kriging
  believer" of Ginsbourger, Le Riche and Carraro (2010).
- Losses worse than the median are replaced by normal scores of their ranks, as in Google's Vizier (Song et al. 2024),
  so that a diverged trial does not flatten the rest.

Optuna's own sampler of this kind needs torch.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Snap = Callable[[Array], Array]

_NORMAL = statistics.NormalDist()
# The search for the most probable lengths and noise: draws from their prior, then random steps from the best of them.
_HYPER_DRAWS, _HYPER_STEPS = 60, 90
# The search for the best point: candidates everywhere, candidates near the best trials, and rounds of refinement.
_RANDOM_POINTS, _NEAR_POINTS, _REFINEMENTS = 1000, 400, 4
_SPREADS = (0.2, 0.05, 0.0125)  # of the candidates near the best trials
# The prior: normal distributions of the logarithms of a length, in sides of the cube, and of the noise, in variances.
_LENGTH_MEAN, _LENGTH_DEVIATION = math.log(0.4), 0.8
_NOISE_MEAN, _NOISE_DEVIATION = math.log(1e-3), 2.0
_JITTER = 1e-8  # keeps the matrix positive definite where two trials are at the same point


def suggest(
    points: Array,
    values: Array,
    pending: Array,
    categorical: Sequence[bool],
    snap: Snap,
    rng: np.random.Generator,
) -> Array:
    """The point to try next, for the lowest value.

    Args:
      points: float64 [trials, parameters], in the unit cube.
      values: float64 [trials], finite.
      pending: float64 [trials under way, parameters].
      categorical: of each parameter, whether its coordinates are only equal or different.
      snap: moves rows of [n, parameters] to the nearest points that can be tried.
      rng: randomness.

    Returns:
      float64 [parameters], snapped.
    """
    warped = warp(values)
    model = _fit(points, warped, np.asarray(categorical), rng)
    if len(pending):
        believed, _ = model.predict(pending)
        model = dataclasses.replace(
            model, points=np.vstack([points, pending]), targets=np.concatenate([warped, believed])
        )
    return _best(model, float(np.min(warped)), snap, rng)


def warp(values: Array) -> Array:
    """Standardised values, float64 [trials], in the order of `values`.

    The better half keeps its proportions; the worse half is spread as normal quantiles of its ranks are, however bad it
    is. The deviation that scales the better half is that of this half about the median.
    """
    median = float(np.median(values))
    good = values[values <= median]
    deviation = math.sqrt(float(np.mean((good - median) ** 2))) or 1.0
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    scores = np.array([_NORMAL.inv_cdf((rank + 0.5) / len(values)) for rank in order])
    warped = np.where(values <= median, (values - median) / deviation, np.maximum(scores, 0.0))
    return (warped - warped.mean()) / (float(warped.std()) or 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Process:
    """A Gaussian process with mean 0 and variance 1.

    Attributes:
      points: float64 [n, parameters].
      targets: float64 [n].
      categorical: bool [parameters].
      lengths: float64 [parameters].
      noise: variance.
    """

    points: Array
    targets: Array
    categorical: npt.NDArray[np.bool_]
    lengths: Array
    noise: float

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and deviation of the loss at each of `points`, each float64 [len(points)]."""
        lower, solved = self._solved
        across = _matern(_distances(self.points, points, self.categorical), self.lengths)
        half = np.linalg.solve(lower, across)
        variance = np.maximum(1.0 - np.sum(half**2, axis=0), 1e-12)
        return across.T @ solved, np.sqrt(variance)

    @property
    def _solved(self) -> tuple[Array, Array]:
        """The Cholesky factor of the kernel matrix, float64 [n, n], and the solution for the targets, float64 [n]."""
        among = _matern(_distances(self.points, self.points, self.categorical), self.lengths)
        lower = np.linalg.cholesky(among + (self.noise + _JITTER) * np.eye(len(self.points)))
        return lower, np.linalg.solve(lower.T, np.linalg.solve(lower, self.targets))


def _fit(points: Array, targets: Array, categorical: npt.NDArray[np.bool_], rng: np.random.Generator) -> _Process:
    """The process with the most probable lengths and noise: the best draw from their prior, improved in random steps.

    Args:
      points: float64 [n, parameters].
      targets: float64 [n], standardised.
      categorical: bool [parameters].
      rng: randomness.
    """
    squares = _distances(points, points, categorical)
    mean = np.append(np.full(points.shape[1], _LENGTH_MEAN), _NOISE_MEAN)
    deviation = np.append(np.full(points.shape[1], _LENGTH_DEVIATION), _NOISE_DEVIATION)

    def score(logs: Array) -> float:
        return _likelihood(squares, targets, logs) - 0.5 * float(np.sum(((logs - mean) / deviation) ** 2))

    candidates = [mean, *(mean + deviation * rng.standard_normal((_HYPER_DRAWS, len(mean))))]
    best_score, best = max(((score(logs), logs) for logs in candidates), key=lambda pair: pair[0])
    for step in range(_HYPER_STEPS):
        near = best + deviation * 0.5 * 0.97**step * rng.standard_normal(len(mean))
        near_score = score(near)
        if near_score > best_score:
            best_score, best = near_score, near
    return _Process(
        points=points,
        targets=targets,
        categorical=categorical,
        lengths=np.exp(best[:-1]),
        noise=float(np.exp(best[-1])),
    )


def _likelihood(squares: Array, targets: Array, logs: Array) -> float:
    """Logarithm of the marginal likelihood of the targets, up to a constant.

    Args:
      squares: float64 [parameters, n, n], from `_distances`.
      targets: float64 [n].
      logs: float64 [parameters + 1], logarithms of the lengths and, last, of the noise.
    """
    among = _matern(squares, np.exp(logs[:-1]))
    among.flat[:: len(targets) + 1] += math.exp(logs[-1]) + _JITTER  # its diagonal
    try:
        lower = np.linalg.cholesky(among)
    except np.linalg.LinAlgError:
        return -math.inf
    half = np.linalg.solve(lower, targets)
    return -0.5 * float(half @ half) - float(np.log(lower.diagonal()).sum())


def _distances(rows: Array, columns: Array, categorical: npt.NDArray[np.bool_]) -> Array:
    """Squared distances by parameter, float64 [parameters, len(rows), len(columns)]; 0 or 1 between categories.

    Args:
      rows: float64 [len(rows), parameters].
      columns: float64 [len(columns), parameters].
      categorical: bool [parameters].
    """
    apart = np.abs(rows.T[:, :, None] - columns.T[:, None, :])
    return np.where(categorical[:, None, None], apart > 1e-9, apart**2).astype(np.float64)


def _matern(squares: Array, lengths: Array) -> Array:
    """The Matérn 5/2 kernel, float64 [rows, columns], of `_distances` and lengths, float64 [parameters]."""
    distance = np.sqrt(5.0 * (lengths**-2.0 @ squares.reshape(len(squares), -1)).reshape(squares.shape[1:]))
    return np.asarray((1.0 + distance + distance**2 / 3.0) * np.exp(-distance))


def _best(model: _Process, lowest: float, snap: Snap, rng: np.random.Generator) -> Array:
    """The point with the largest expected improvement, float64 [parameters].

    Candidates are drawn everywhere and near the best trials; then, in a few rounds, near the best candidates.

    Args:
      model: fitted to the trials.
      lowest: the least target of a trial that has ended.
      snap: moves rows to points that can be tried.
      rng: randomness.
    """
    size = model.points.shape[1]
    tops = model.points[np.argsort(model.targets)[:5]]
    near = np.repeat(tops, _NEAR_POINTS // len(tops), axis=0)
    spread = rng.choice(_SPREADS, size=(len(near), 1))
    candidates = snap(np.vstack([rng.random((_RANDOM_POINTS, size)), near + spread * rng.standard_normal(near.shape)]))
    candidates = _new(candidates, model.points)
    for round_ in range(_REFINEMENTS):
        mean, deviation = model.predict(candidates)
        ranked = candidates[np.argsort(-_log_improvement(mean, deviation, lowest))]
        if round_ == _REFINEMENTS - 1:
            break
        steps = rng.standard_normal((200, size)) * 0.1 * 0.3**round_  # shorter from round to round
        moved = np.repeat(ranked[:5], 40, axis=0)[:200]
        candidates = _new(snap(np.vstack([ranked[:5], moved + steps[: len(moved)]])), model.points)
    return np.asarray(ranked[0])


def _new(candidates: Array, tried: Array) -> Array:
    """The candidates that have not been tried; all, where each has been. Both float64 [n, parameters]."""
    known = {row.tobytes() for row in np.round(tried, 9)}
    fresh = [index for index, row in enumerate(np.round(candidates, 9)) if row.tobytes() not in known]
    return candidates[fresh] if fresh else candidates


def _log_improvement(mean: Array, deviation: Array, lowest: float) -> Array:
    """Logarithm of the expected improvement on `lowest`, float64 [n]: it has an order where the improvement is 0.0.

    Args:
      mean: float64 [n], of the predicted loss.
      deviation: float64 [n].
      lowest: what is to be improved on.
    """
    gain = (lowest - mean) / deviation
    density = np.exp(-0.5 * gain**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * (1.0 + math.erf(value)) for value in (gain / math.sqrt(2.0)).tolist()])
    improvement = density + gain * below
    # Far below the best both terms cancel; there the asymptote is density / gain².
    tail = -0.5 * gain**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(np.maximum(np.abs(gain), 1.0))
    exact = np.log(np.maximum(improvement, 1e-300))
    return np.asarray(np.where(gain < -6, tail, exact) + np.log(deviation))
