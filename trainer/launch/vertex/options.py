"""What a person types after `python -m trainer.launch submit vertex`, checked as far as one flag can tell."""

from __future__ import annotations

import dataclasses
import enum
import re

from trainer.job.cluster import CHIEF, EVALUATOR, JOB_TYPES, PS, WORKER
from trainer.job.config import require_not_negative, setting
from trainer.job.errors import UsageError
from trainer.launch import command_line

_DURATION = re.compile(r"(\d+(?:\.\d{1,9})?)([smhd]?)")
_UNIT_SECS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Provisioning(enum.Enum):
    STANDARD = "standard"
    SPOT = "spot"
    FLEX_START = "flex_start"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """The machines of one role.

    Attributes:
      replicas: how many machines.
      machine: their type, `n1-standard-4`.
      accelerator: type and how many of it in each machine; None for none.
      disk: type and gigabytes of the boot disk; None for the service's default.
    """

    replicas: int
    machine: str
    accelerator: tuple[str, int] | None = None
    disk: tuple[str, int] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class VertexOptions:
    """The job on Vertex AI:"""  # the heading of --help

    project: str | None = setting(None, "the project that pays; default: GOOGLE_CLOUD_PROJECT")
    region: str = setting("us-central1", "where the machines are")
    name: str = setting("trainer", "display name of the job")
    output_dir: str | None = setting(
        None, "gs://bucket/run: checkpoints, events, exports; the service tells the task (AIP_*)", alias=("job_dir",)
    )
    image: str | None = setting(None, "container image that runs the task; instead of --executor_image")
    executor_image: str | None = setting(None, "prebuilt image (Python 3.11 or newer) that installs the package")
    package: tuple[str, ...] = setting((), "gs://... of packages to install; default: this source, put in --staging")
    staging: str | None = setting(None, "gs://bucket/folder for the package; default: packages below --output_dir")
    module: str = setting("trainer.task", "what each replica runs: python -m MODULE")
    worker: int = setting(0, "workers, besides the chief: pool 1")
    ps: int = setting(0, "parameter servers: pool 2")
    evaluator: int = setting(0, "1: evaluates on a machine of its own: pool 3")
    machine: str = setting("n1-standard-4", "machine type of every role")
    chief_machine: str | None = setting(None, "of the chief alone")
    worker_machine: str | None = setting(None, "of workers alone")
    ps_machine: str | None = setting(None, "of parameter servers alone")
    evaluator_machine: str | None = setting(None, "of the evaluator alone")
    accelerator: str | None = setting(
        None, "TYPE[:COUNT] in each machine of chief and workers, such as NVIDIA_TESLA_T4:1"
    )
    chief_accelerator: str | None = setting(None, "of the chief alone")
    worker_accelerator: str | None = setting(None, "of workers alone")
    evaluator_accelerator: str | None = setting(None, "of the evaluator, which gets none of --accelerator")
    disk: str | None = setting(
        None, "TYPE:GB of every boot disk, such as pd-ssd:200; default: the service's, pd-ssd:100"
    )
    chief_disk: str | None = setting(None, "of the chief alone")
    worker_disk: str | None = setting(None, "of workers alone")
    ps_disk: str | None = setting(None, "of parameter servers alone")
    evaluator_disk: str | None = setting(None, "of the evaluator alone")
    tpu_topology: str | None = setting(None, "of the TPUs of chief and workers, such as 2x4")
    reservation: tuple[str, ...] = setting(
        (), "machines of chief and workers: any, none, or projects/P/zones/Z/reservations/NAME, with commas between"
    )
    nfs: tuple[str, ...] = setting((), "SERVER:/PATH:NAME shares, with commas between; each is found at /mnt/nfs/NAME")
    provisioning: Provisioning | None = setting(
        None, "how machines are provisioned; spot is cheap, but may be taken away at any time"
    )
    restart_job_on_worker_restart: bool = setting(False, "restart all replicas when one is restarted")
    disable_retries: bool = setting(False, "do not restart the job after errors of the service")
    timeout: str | None = setting(None, "longest running time: 3600s, 90m, 8h or 7d; default: the service's, 7 days")
    max_wait: str | None = setting(
        None, "longest wait for machines with --provisioning=flex_start, such as 12h; 0: no bound; default: a day"
    )
    service_account: str | None = setting(None, "account that the replicas run as")
    network: str | None = setting(None, "projects/NUMBER/global/networks/NAME to peer with")
    reserved_ip_ranges: tuple[str, ...] = setting((), "ranges of --network to use")
    network_attachment: str | None = setting(None, "of Private Service Connect, in the same region; not with --network")
    label: tuple[str, ...] = setting((), "KEY=VALUE labels of the job, with commas between", repeats=True)
    env: tuple[str, ...] = setting((), "NAME=VALUE for every replica, with commas between; no secrets", repeats=True)
    tensorboard: str | None = setting(None, "projects/P/locations/R/tensorboards/ID to send events to")
    encryption_key: str | None = setting(None, "projects/P/locations/R/keyRings/K/cryptoKeys/N for all that is stored")
    web_access: bool = setting(False, "allow a shell in the replicas")
    persistent_resource: str | None = setting(None, "run on this persistent resource")
    config: str | None = setting(None, "the study (hptuning_config.yaml): submits a hyperparameter tuning job")
    request: str | None = setting(
        None, "a request in a file (of --dry_run, perhaps edited), instead of all of the above"
    )

    def __post_init__(self) -> None:
        for name in (WORKER, PS, EVALUATOR):
            require_not_negative(name, getattr(self, name))
        if self.image and (self.executor_image or self.package):
            other = "--executor_image" if self.executor_image else "--package"
            raise UsageError(f"--image together with {other}", "an image, or a package", "Drop one of the two")
        self.labels, self.environment, self.pools, self.nfs_mounts  # noqa: B018
        self.timeout_secs, self.max_wait_secs  # noqa: B018

    @property
    def labels(self) -> dict[str, str]:
        """The labels by key. Raises UsageError, as the properties below do."""
        return command_line.pairs("label", self.label)

    @property
    def environment(self) -> dict[str, str]:
        """The variables by name."""
        return command_line.pairs("env", self.env)

    @property
    def nfs_mounts(self) -> list[dict[str, str]]:
        """NfsMount of each share."""
        return [_nfs_mount(text) for text in self.nfs]

    @property
    def timeout_secs(self) -> str | None:
        """The longest running time as the service writes it (`3600s`); None for its default."""
        return None if self.timeout is None else duration("timeout", self.timeout)

    @property
    def max_wait_secs(self) -> str | None:
        """The longest wait likewise; None where nothing waits."""
        return None if self.max_wait is None else duration("max_wait", self.max_wait)

    @property
    def pools(self) -> dict[str, Pool]:
        """The machines of each role, in the order of the service's worker pools."""
        counts = {CHIEF: 1, WORKER: self.worker, PS: self.ps, EVALUATOR: self.evaluator}
        return {role: self._pool(role, counts[role]) for role in JOB_TYPES}

    def _pool(self, role: str, replicas: int) -> Pool:
        return Pool(
            replicas=replicas,
            machine=self._own(role, "machine") or self.machine,
            accelerator=self._accelerator(role),
            disk=self._disk(role),
        )

    def _own(self, role: str, what: str) -> str | None:
        return getattr(self, f"{role}_{what}", None)

    def _accelerator(self, role: str) -> tuple[str, int] | None:
        own = self._own(role, "accelerator")
        if own is not None:
            return counted(f"{role}_accelerator", own)
        computes = role in (CHIEF, WORKER)
        return counted("accelerator", self.accelerator) if self.accelerator and computes else None

    def _disk(self, role: str) -> tuple[str, int] | None:
        own = self._own(role, "disk")
        text, flag = (own, f"{role}_disk") if own is not None else (self.disk, "disk")
        if text is None:
            return None
        kind, size = counted(flag, text)
        if ":" not in text:
            raise UsageError(f"--{flag}={text}", "TYPE:GIGABYTES", "Write it as pd-ssd:200")
        return kind, size


def _nfs_mount(text: str) -> dict[str, str]:
    match = re.fullmatch(r"(?P<server>[^:/]+):(?P<path>/[^:]*):(?P<mountPoint>[^:/]+)", text)
    if not match:
        raise UsageError(
            f"--nfs={text}", "SERVER:/PATH:NAME", "Write it as 10.0.0.2:/data:data, found at /mnt/nfs/data"
        )
    return match.groupdict()


def counted(flag: str, text: str) -> tuple[str, int]:
    """Type and number of `TYPE:NUMBER`; 1 where the number is left out. Raises UsageError."""
    kind, colon, number = text.partition(":")
    if not kind or not re.fullmatch(r"-?\d{1,9}", number if colon else "1"):
        raise UsageError(f"--{flag}={text}", "TYPE:NUMBER", "Write it as NVIDIA_TESLA_T4:1 or pd-ssd:200")
    return kind, int(number) if colon else 1


def duration(flag: str, text: str) -> str:
    """Seconds as the service writes them (`3600s`), from 3600s, 60m, 1h or 1d. Raises UsageError."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise UsageError(f"--{flag}={text}", "a number and s, m, h or d", "Write it as 8h or 3600s")
    secs = float(match[1]) * _UNIT_SECS[match[2]]
    return f"{secs:.9f}".rstrip("0").rstrip(".") + "s"
