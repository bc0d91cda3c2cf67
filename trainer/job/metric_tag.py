"""Which metric models are judged by, and which one a tuner is told: refused at once where no evaluation reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainer.job import spelling
from trainer.job.config import OLD_DEFAULT_TAG
from trainer.job.errors import UsageError

VARIABLE, FLAG = "CLOUD_ML_HP_METRIC_TAG", "--hyperparameter_metric_tag"


def chosen(tag: str | None, environ: Mapping[str, str], metrics: Sequence[str]) -> tuple[str, str]:
    """The tuner's name of the metric, and the evaluation's.

    Args:
      tag: of the flag; None leaves it to the variable.
      environ: CLOUD_ML_HP_METRIC_TAG, without which it is the score.
      metrics: what evaluations report, the score first.

    Raises:
      UsageError: the tag is none of the metrics.
    """
    asked = tag or environ.get(VARIABLE) or metrics[0]
    if asked not in (*metrics, OLD_DEFAULT_TAG):
        otherwise = "Name one of them, in the study too; a metric of your own has to be listed in metrics of PROBLEM"
        raise UsageError(
            f"{FLAG if tag else VARIABLE}={asked}, which no evaluation of this problem reports",
            ", ".join(metrics),
            spelling.suggestion(asked, metrics, otherwise),
        )
    return asked, metrics[0] if asked == OLD_DEFAULT_TAG else asked


def check_score(score: str | None, metrics: Sequence[str]) -> None:
    """Refuses a score that is none of the metrics.

    Args:
      score: of `--score`; None where that is not given.
      metrics: what evaluations report.

    Raises:
      UsageError: it is none of them.
    """
    if score is not None and score not in metrics:
        do = spelling.suggestion(score, metrics, "Name one of them")
        raise UsageError(f"--score={score}, which no evaluation of this problem reports", ", ".join(metrics), do)
