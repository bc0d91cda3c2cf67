"""What this machine and this environment would do with a job, and what is wrong, each finding with its fix."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import ipaddress
import itertools
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import trainer
from trainer.job import addresses, cluster, hosts, layout
from trainer.job.cluster import EVALUATOR, Cluster
from trainer.job.errors import UsageError
from trainer.job.findings import Finding, Level
from trainer.job.hosts import Answer, Reached
from trainer.launch import machine
from trainer.launch.cluster import ports
from trainer.launch.doctor import cloud as doctor_cloud
from trainer.launch.doctor import devices as doctor_devices
from trainer.launch.doctor import options, report
from trainer.launch.doctor.report import gigabytes, note, ok, wrong

_NEEDED_MODULES = ("tensorflow", "keras", "absl", "numpy", "tensorboard", "rich", "hypertune", "google.cloud.storage")
_WHEELS = ("tensorflow", "tensorflow-cpu")
_MEMORY_OF_A_PROCESS = 1 << 30
_LEAST_DISK = 1 << 30
_VERTEX_DIR = re.compile("AIP_(MODEL|CHECKPOINT|TENSORBOARD_LOG)_DIR")


def main(argv: Sequence[str]) -> int:
    """Prints all findings; 0 when none is an error, else 2."""
    chosen = options.parse(argv)
    findings = []
    with contextlib.ExitStack() as stack:
        question = doctor_devices.Question(os.environ) if chosen.devices else None
        if question:
            stack.callback(question.close)
        for finding in itertools.chain(examine(chosen, os.environ), question.answer() if question else ()):
            print(report.row(finding), flush=True)
            findings.append(finding)
    count = sum(finding.level is Level.ERROR for finding in findings)
    print(
        f"\n{count} of {len(findings)} findings are errors; each has its fix below it." if count else "\nAll is well."
    )
    return 2 if count else 0


def examine(chosen: options.DoctorOptions, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Every finding but TensorFlow's own, the quick ones first."""
    yield from versions()
    yield from resources()
    yield from doctor_cloud.credentials(environ)
    yield from output(chosen.output_dir, environ)
    yield from doctor_cloud.data([*chosen.train_data_paths, *chosen.eval_data_paths])
    try:
        task = cluster.from_environment(environ)
    except UsageError as refused:
        yield dataclasses.replace(refused.findings[0], where="cluster", do=refused.do or "Correct it")
        return
    yield from roles(task, separate_evaluator=chosen.separate_evaluator)
    yield from own_address(task)
    yield from neighbours(task)


def versions() -> Iterator[Finding]:
    """Python and the packages, without importing one of them."""
    yield _python(sys.version_info[:2])
    missing = [name for name in _NEEDED_MODULES if not _is_there(name)]
    listed = ", ".join(f"{name} {version}" for name, version in _installed())
    if missing:
        yield wrong("packages", f"{', '.join(missing)} missing, of {listed or 'none'}", "pip install .")
    else:
        yield ok("packages", f"trainer {trainer.__version__}, {listed}")
    yield from _outdated()
    yield from _mixed()


def resources() -> Iterator[Finding]:
    """Cores and memory of this machine, or of this container."""
    yield ok("cores", str(machine.cores()))
    free = machine.available_memory_bytes()
    if free is None:
        yield note("memory", "the system does not say", None)
    elif free < _MEMORY_OF_A_PROCESS:
        fix = "Close other programs, give the container more, or start fewer processes here"
        yield note("memory", f"{gigabytes(free)} free; a process of a job takes up to 1 GB", fix)
    else:
        yield ok("memory", f"{gigabytes(free)} free, for about {free // _MEMORY_OF_A_PROCESS} processes")


def output(output_dir: str | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The directory of a job, where one is named."""
    if output_dir is None and not any(_VERTEX_DIR.fullmatch(name) for name in environ):
        return
    try:
        root = layout.from_environment(output_dir, environ).root
    except UsageError as refused:
        yield dataclasses.replace(refused.findings[0], where="output", do=refused.do or "Correct it")
        return
    if layout.is_remote(root):
        yield doctor_cloud.bucket(root)
        yield doctor_cloud.scratch_room(environ)
    else:
        yield _local_output(root)


def roles(task: Cluster, *, separate_evaluator: bool) -> Iterator[Finding]:
    """Which process this would be, and what it would do."""
    evaluates_apart = task.has_evaluator or separate_evaluator
    yield ok("role", f"{task.task_type} {task.task_id} of {_kind(task)}")
    yield ok("would", _work(task, evaluates_apart=evaluates_apart))
    if task.num_ps_replicas and task.num_worker_replicas < 2:
        yield wrong("cluster", "parameter servers but no worker", "List workers, or drop ps")
    hosts_named = {addresses.split(address)[0] for nodes in task.jobs.values() for address in nodes.values()}
    loopback = {host for host in hosts_named if _is_loopback(host)}
    if loopback and loopback != hosts_named:
        fix = "Use the name under which the others reach it"
        yield wrong("cluster", f"{min(loopback)} among hosts of other machines, which cannot reach it", fix)


def own_address(task: Cluster) -> Iterator[Finding]:
    """Whether this process could listen where the others look for it."""
    address = task.jobs.get(task.task_type, {}).get(task.task_id)
    if not address or task.is_local or task.is_evaluator:
        return
    port = addresses.split(address)[1]
    if ports.is_free(port):
        yield ok("own port", f"{port} is free here")
    else:
        yield note(
            "own port",
            f"{port} is taken here",
            "Normal while the job runs; otherwise stop what listens there (ss -ltnp)",
        )


def neighbours(task: Cluster) -> Iterator[Finding]:
    """Which of the others answer; an evaluator connects to none."""
    if task.is_evaluator or task.is_local:
        return
    others = {
        address: f"{job} {index}"
        for job, nodes in task.jobs.items()
        if job != EVALUATOR
        for index, address in nodes.items()
        if (job, index) != (task.task_type, task.task_id)
    }
    for reached in hosts.ask(others):
        yield reachability(others[reached.address], reached)


def reachability(who: str, reached: Reached) -> Finding:
    """What an answer means."""
    fixes = {
        Answer.REFUSED: f"Start {who} there, or read its log; before the job starts this is normal",
        Answer.UNKNOWN: "Correct the name, or wait until the runner has made it known",
        Answer.SILENT: "Open the port in the firewall or network policy; check that the machine is up",
        Answer.FAILED: "Check that this machine has a route there",
    }
    got = f"{reached.address}: {reached.answer.value}" + (f" ({reached.detail})" if reached.detail else "")
    if reached.answer is Answer.LISTENS:
        return ok(who, got)
    return wrong(who, got, fixes[reached.answer])


def _kind(task: Cluster) -> str:
    if task.is_evaluator:
        return "a job whose other processes run elsewhere"
    if task.is_local:
        return "a job in one process"
    workers, servers = task.num_worker_replicas - 1, task.num_ps_replicas
    if servers:
        return f"a parameter-server job (chief, {workers} workers, {servers} ps)"
    return f"a synchronous job (chief, {workers} workers)"


def _work(task: Cluster, *, evaluates_apart: bool) -> str:
    saves = "save and export" if evaluates_apart else "save, evaluate and export"
    match task.task_type:
        case _ if task.is_local:
            return f"train, {saves}, all in this process" if not evaluates_apart else "train and save"
        case cluster.EVALUATOR:
            return "evaluate and export each checkpoint, until training has ended"
        case cluster.PS:
            return "keep its share of the variables, until the job ends"
        case cluster.WORKER:
            return "train as the chief directs" if task.num_ps_replicas else "train in step with the chief"
        case _:
            trains = "coordinate the workers" if task.num_ps_replicas else "train in step with the workers"
            return f"{trains}, {'save' if evaluates_apart else saves}"


def _python(version: tuple[int, int]) -> Finding:
    if version >= (3, 11):
        return ok("python", platform.python_version())
    return wrong("python", platform.python_version(), "Install Python 3.11, 3.12 or 3.13")


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent of a dotted name
        return False


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _installed() -> list[tuple[str, str]]:
    names = (*_WHEELS, "keras", "numpy", "tensorboard")
    return [(name, version) for name in names if (version := _version(name))]


def _outdated() -> Iterator[Finding]:
    """What is older than our own package asks for; nothing where that runs from its source, uninstalled."""
    if _version("trainer") != trainer.__version__:
        return
    from packaging.requirements import Requirement

    for line in importlib.metadata.requires("trainer") or ():
        needed = Requirement(line)
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        version = _version(needed.name)
        if version and not needed.specifier.contains(version, prereleases=True):
            fix = f"pip install '{needed.name}{needed.specifier}'"
            yield wrong("packages", f"{needed.name} {version}; {needed.specifier} is needed", fix)


def _mixed() -> Iterator[Finding]:
    """Both wheels of TensorFlow: they hold the same files, and one overwrote those of the other."""
    found = [(name, version) for name in _WHEELS if (version := _version(name))]
    if len(found) > 1:
        got = f"{' and '.join(f'{name} {version}' for name, version in found)}, which overwrite each other's files"
        repair = "pip uninstall -y tensorflow tensorflow-cpu, then pip install the one that you want"
        yield wrong("tensorflow", got, f"{repair} (docs/contributing.md, GPU)")


def _local_output(root: str) -> Finding:
    parent = machine.existing_parent(root)
    if not parent.is_dir():
        return wrong("output", f"{parent} is not a directory", "Choose another --output_dir")
    try:
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        got = f"{parent} is not writable: {error.strerror}"
        return wrong("output", got, "Change its permissions, or --output_dir")
    free = machine.free_disk_bytes(root)
    if free < _LEAST_DISK:
        return note("output", f"{root}: {gigabytes(free)} free", "Make room, or choose another --output_dir")
    return ok("output", f"{root}: {gigabytes(free)} free")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
