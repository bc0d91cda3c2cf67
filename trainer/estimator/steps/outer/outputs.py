"""What a process writes while it trains: checkpoints and events, and how often."""

from __future__ import annotations

import dataclasses
import math
import time

from trainer.estimator.saving.events import Events
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.estimator.saving.saver import Saver
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.timing.cadence import Cadence


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What a process writes: by default nothing, as all but the chief of a job.

    Attributes:
      cadence: of saves, summaries and reports.
      saver: writes checkpoints; None saves nothing.
      events: where summaries go; None writes none.
    """

    cadence: Cadence = Cadence()
    saver: Saver | None = None
    events: Events | None = None

    @classmethod
    def of(cls, plan: TrainingPlan, directory: JobDirectory) -> Outputs:
        """Those of this process in its role.

        The checkpoint that it resumes from exactly is not written again. Nor is one whose data others follow: until the
        next save it goes on to say what it was trained on.
        """
        config = plan.config
        if not config.is_chief:
            return cls()
        saver = None
        if config.saves_checkpoints:
            saver = Saver(
                directory.checkpoints,
                config.keep_checkpoint_max,
                config.keep_checkpoint_every_n_hours or math.inf,
                time.time(),
                continued=plan.position if config.resumes_input else plan.values.checkpoint,
                facts=config.checkpoint_facts,
            )
        return cls(Cadence.of(config), saver, Events(directory.local))
