"""Plots of a classification: confusion, ROC, precision against recall, calibration, scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainer.reporting.plot import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_IN_MATRIX, _MOST_WITH_COUNTS, _MOST_CURVES, _MOST_BARS = 60, 12, 6, 20
_BINS = 10


def plots(labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str] = ()) -> list[Plot]:
    """The plots of a classification into two or more classes.

    Args:
      labels: int [n], numbers of classes.
      probabilities: float [n, classes].
      classes: their names; numbers where there are none. The second of two is the positive one.
    """
    labels = np.asarray(labels).reshape(-1).astype(int)
    names = [str(name) for name in classes] or [str(index) for index in range(probabilities.shape[1])]
    if len(names) == 2:
        positive, score = labels == 1, probabilities[:, 1]
        return [
            _confusion(labels, probabilities, names),
            _roc({names[1]: (positive, score)}),
            _precision_recall(positive, score, names[1]),
            _calibration(positive, score, f"probability of {names[1]}", f"share of {names[1]}"),
            _scores(positive, score, names),
        ]
    chosen = probabilities.argmax(axis=1)
    frequent = np.argsort(-np.bincount(labels, minlength=len(names)), kind="stable")[:_MOST_CURVES]
    one_by_one = {names[index]: (labels == index, probabilities[:, index]) for index in sorted(frequent)}
    return [
        _confusion(labels, probabilities, names),
        _of_classes(labels, chosen, names),
        _roc(one_by_one),
        _calibration(chosen == labels, probabilities.max(axis=1), "probability of the chosen class", "share right"),
    ]


def roc(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """False positive rates and true positive rates at every threshold, and the area below; examples of equal score
    are one step, so that the area is that of Mann and Whitney.

    Args:
      positive: bool [n].
      score: float [n].
    """
    order = np.argsort(-score, kind="stable")
    last_of_equals = np.append(np.diff(score[order]) != 0, True)
    true, false = np.cumsum(positive[order])[last_of_equals], np.cumsum(~positive[order])[last_of_equals]
    rates = [np.concatenate([[0.0], hits / max(hits[-1], 1)]) for hits in (false, true)]
    return rates[0], rates[1], float(np.trapezoid(rates[1], rates[0]))


def calibration(happened: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probability, observed share and count of examples in ten bins of equal width, without empty ones.

    Args:
      happened: bool [n].
      probability: float [n], from 0 to 1.
    """
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    sums = np.bincount(bins, probability, _BINS), np.bincount(bins, happened, _BINS)
    full = counts > 0
    return sums[0][full] / counts[full], sums[1][full] / counts[full], counts[full]


def _confusion(labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> Plot:
    """The matrix; of very many classes the most frequent mistakes."""
    size = len(names)
    counts = np.bincount(labels * size + probabilities.argmax(axis=1), minlength=size * size).reshape(size, size)
    if size > _MOST_IN_MATRIX:
        return _mistakes(counts, names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def draw(figure: Figure) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        cells = [(row, column) for row in range(size) for column in range(size) if counts[row, column]]
        for is_right, colour in ((True, "C0"), (False, "C1")):
            drawn = [cell for cell in cells if (cell[0] == cell[1]) == is_right]
            patches = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in drawn]
            shades = [0.06 + 0.6 * shares[cell] for cell in drawn]
            if drawn:  # a collection of nothing cannot be shaded
                axes.add_collection(PatchCollection(patches, facecolor=colour, alpha=shades, edgecolor="none"))
        if size <= _MOST_WITH_COUNTS:
            for row, column in cells:
                text = (
                    f"{counts[row, column]:,}\n{100 * shares[row, column]:.0f} %"
                    if size <= 6
                    else f"{counts[row, column]}"
                )
                axes.text(column, row, text, ha="center", va="center", fontsize=9 if size <= 6 else 7)
        axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xlabel="predicted", ylabel="true")
        axes.grid(False)
        _name(axes, names)

    caption = "Rows are the true classes. Blue is right, orange wrong; the darker, the larger the share of its row."
    return Plot(title="Confusion matrix", caption=caption, draw=draw, height=3.2 if size <= 6 else 4.6)


def _name(axes: object, names: Sequence[str]) -> None:
    """Ticks at classes: all of few, some of many."""
    step = -(-len(names) // 30)
    ticks = list(range(0, len(names), step))
    labels = [_short(names[tick]) for tick in ticks]
    is_wide = sum(map(len, labels)) > 40
    axes.set_xticks(ticks, labels, rotation=90 if is_wide else 0, fontsize=6.5 if is_wide else 9)  # type: ignore[attr-defined]
    axes.set_yticks(ticks, labels, fontsize=6.5 if len(labels) > 12 else 9)  # type: ignore[attr-defined]


def _mistakes(counts: np.ndarray, names: Sequence[str]) -> Plot:
    wrong = counts - np.diag(np.diag(counts))
    worst = [divmod(int(index), len(names)) for index in np.argsort(-wrong, axis=None, kind="stable")[:_MOST_BARS]]
    worst = [cell for cell in worst if wrong[cell]]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.barh(range(len(worst)), [wrong[cell] for cell in worst], color="C1")
        texts = [f"{_short(names[row])} as {_short(names[column])}" for row, column in worst]
        axes.set_yticks(range(len(worst)), texts, fontsize=7)
        axes.invert_yaxis()
        axes.set_xlabel("examples")

    return Plot(
        title="Most frequent mistakes", caption="A true class, and what it was taken for.", draw=draw, height=4.6
    )


def _of_classes(labels: np.ndarray, chosen: np.ndarray, names: Sequence[str]) -> Plot:
    """Precision and recall of classes; of many those with the lowest recall."""
    size = len(names)
    right = np.bincount(labels[labels == chosen], minlength=size)
    true, said = np.bincount(labels, minlength=size), np.bincount(chosen, minlength=size)
    recall, precision = right / np.maximum(true, 1), right / np.maximum(said, 1)
    there = np.flatnonzero(true)
    shown = there if len(there) <= _MOST_BARS else there[np.argsort(recall[there], kind="stable")[:_MOST_BARS]]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(len(shown))
        axes.barh(places - 0.2, recall[shown], 0.38, label="recall", color="C0")
        axes.barh(places + 0.2, precision[shown], 0.38, label="precision", color="C2")
        texts = [f"{_short(names[index])} ({true[index]:,})" for index in shown]
        axes.set_yticks(places, texts, fontsize=9 if len(shown) <= 8 else 7)
        axes.set_xlim(0, 1)
        axes.invert_yaxis()
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=2)

    few = "" if len(shown) == len(there) else f" The {len(shown)} of {len(there)} with the lowest recall."
    caption = f"Recall is the share of a class that is found, precision the share of its finds that are right.{few}"
    return Plot(title="Classes", caption=caption, draw=draw, height=3.2 if len(shown) <= 8 else 4.6)


def _roc(one_by_one: dict[str, tuple[np.ndarray, np.ndarray]]) -> Plot:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name, (positive, score) in one_by_one.items():
            if positive.any() and not positive.all():
                false, true, area = roc(positive, score)
                axes.plot(*_thinned(false, true), label=f"{_short(name)}: AUC {area:.3f}")
        axes.plot([0, 1], [0, 1], color="#66727f", linewidth=0.8, linestyle=":")
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="lower right")

    many = " Each class against all others." if len(one_by_one) > 1 else ""
    caption = f"Share of the class that is found, against the share of the others taken for it.{many}"
    return Plot(title="ROC", caption=caption, draw=draw)


def _precision_recall(positive: np.ndarray, score: np.ndarray, name: str) -> Plot:
    order = np.argsort(-score, kind="stable")
    last_of_equals = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(positive[order])
    precision = (hits / np.arange(1, len(hits) + 1))[last_of_equals]
    recall = (hits / max(hits[-1], 1))[last_of_equals]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(*_thinned(recall, precision))
        share = float(positive.mean())
        axes.axhline(
            share, color="#66727f", linewidth=0.8, linestyle=":", label=f"share of {_short(name)}: {share:.3f}"
        )
        axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(0, 1.02))
        axes.legend(loc="lower left")

    caption = f"Of {name}, over all thresholds. Dotted: what a guess reaches."
    return Plot(title="Precision against recall", caption=caption, draw=draw)


def _calibration(happened: np.ndarray, probability: np.ndarray, said: str, seen: str) -> Plot:
    mean, share, counts = calibration(happened, probability)
    error = float(np.sum(counts * np.abs(mean - share)) / np.sum(counts))

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color="#66727f", linewidth=0.8, linestyle=":")
        bars = 2 * np.sqrt(mean * (1 - mean) / counts)
        upper.errorbar(mean, share, bars, fmt="o-", markersize=4, elinewidth=0.9, label=f"mean distance {error:.3f}")
        upper.set(ylabel=seen, xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
        upper.legend(loc="upper left")
        lower.hist(probability, bins=np.linspace(0, 1, 2 * _BINS + 1), color="C0", alpha=0.6)
        lower.set(xlabel=said, ylabel="examples")

    caption = (
        "Whether what is said with 80 % happens in 80 % of the cases: then the points lie on the dotted line. The bars "
        "are what chance allows (two standard errors)."
    )
    return Plot(title="Calibration", caption=caption, draw=draw)


def _scores(positive: np.ndarray, score: np.ndarray, names: Sequence[str]) -> Plot:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bins = np.linspace(0, 1, 41).tolist()
        for index, chosen in enumerate((~positive, positive)):
            axes.hist(score[chosen], bins=bins, color=f"C{1 - index}", alpha=0.55, label=f"is {_short(names[index])}")
        axes.set(xlabel=f"probability of {names[1]}", ylabel="examples", xlim=(-0.01, 1.01))
        axes.legend()

    return Plot(title="Probabilities by true class", caption="The less the two overlap, the better.", draw=draw)


def _thinned(x: np.ndarray, y: np.ndarray, most: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """At most so many points of a curve, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), most)).astype(int))
    return x[chosen], y[chosen]


def _short(name: str, most: int = 18) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
