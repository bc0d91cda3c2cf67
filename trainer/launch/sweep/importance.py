"""How much each parameter of a study matters."""

from __future__ import annotations

import contextlib

import optuna
from optuna.trial import TrialState

_FEWEST_TRIALS = 5


def of(study: optuna.Study) -> dict[str, float]:
    """How much each parameter matters for being among the best, in shares of 1; empty for too few trials.

    By PED-ANOVA (Watanabe et al. 2023), which needs nothing but the trials.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < _FEWEST_TRIALS or len({trial.value for trial in done}) < 2:
        return {}
    # The best ones are four trials at least, a tenth of them and at most half.
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, min(0.5, 4 / len(done))))
    with contextlib.suppress(ValueError, RuntimeError, ZeroDivisionError):
        importance = evaluator.evaluate(study)
        total = sum(importance.values())
        return {name: value / total for name, value in importance.items()} if total > 0 else {}
    return {}
