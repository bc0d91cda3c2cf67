"""How long it takes until something happens: the first step, a restart, `--help`, the default job."""

from __future__ import annotations

from benchmarks.race.contest import Contender, Role, Workload
from benchmarks.race.workloads import course

OPTIONS = {"units": 3, "batch_size": 20, "steps_per_call": 1, "unroll": True, "jit": True}


def workload(key: str, title: str, *contenders: Contender, long: bool = False) -> Workload:
    """Seconds, of which less is better."""
    return Workload(
        key=key,
        title=title,
        unit="s",
        contenders=contenders,
        options=OPTIONS,
        prepare=course.prepare,
        tolerance=None,
        less_is_better=True,
        targets={each.title: 1 for each in contenders if each.title == "tf.estimator"},
        long=long,
    )


def command(title: str, role: Role, *words: str) -> Contender:
    """A command of Python's."""
    return Contender(title=title, program="startup:command", role=role, options={"command": words})


def estimator(program: str) -> tuple[Contender, Contender]:
    """Both packages."""
    return (
        Contender(title="trainer", program=f"startup:{program}", role=Role.OURS),
        Contender(title="tf.estimator", program=f"startup:{program}", environment="reference"),
    )


TENSORFLOW = command("`import tensorflow`", Role.LIMIT, "-c", "import tensorflow, keras")
WORKLOADS = (
    workload(
        "h1",
        "command to the end of the first step",
        *estimator("estimator"),
        Contender(title="Keras `fit`", program="startup:keras"),
        Contender(title="PyTorch, eager", program="startup:torch", environment="torch"),
        Contender(title="JAX `scan`", program="startup:jax", environment="jax"),
        TENSORFLOW,
    ),
    workload("h2", "restart to the end of its first step", *estimator("restart"), TENSORFLOW, long=True),
    workload(
        "h3",
        "`trainer.task --help`",
        command("trainer", Role.OURS, "-m", "trainer.task", "--help"),
        command("an empty program", Role.LIMIT, "-c", "pass"),
    ),
    workload(
        "h4",
        "the default job: 2,000 steps, evaluated and exported",
        command("trainer", Role.OURS, "-m", "trainer.task", "--output_dir=FOLDER"),
        Contender(title="tf.estimator", program="startup:course_job", environment="reference"),
        TENSORFLOW,
        long=True,
    ),
)
