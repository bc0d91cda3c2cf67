"""What the machine is and can do: products of matrices, memory, the disk."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import tempfile
import time

import numpy as np

from benchmarks import environments

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "torch", "jax", "optax")
_MIB = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """What stands above a table.

    Attributes:
      name: of the processor, and how many cores it has.
      versions: of packages, by environment.
      load: processes that wanted a core, at the beginning and at the end; above the number of cores the figures are
        those of a busy machine.
      gflops: float32 products of matrices of 2048, in numpy.
      gflops_lstm: the same of the shapes that an LSTM(128) has at batch 256.
      memory_gb: copied, gigabytes read and written a second.
      disk_gb: read a second from a file that was just written, which the kernel may still hold.
    """

    name: str
    versions: dict[str, str]
    load: tuple[float, float]
    gflops: float
    gflops_lstm: float
    memory_gb: float
    disk_gb: float


def measure(before: float) -> Machine:
    """Of this machine; `before` is its load before the race."""
    return Machine(
        name=f"{processor()}, {os.cpu_count()} cores, {platform.system()}",
        versions=versions(),
        load=(round(before, 1), round(os.getloadavg()[0], 1)),
        gflops=products(2048, 2048, 2048),
        gflops_lstm=products(256, 129, 512),
        memory_gb=memory(),
        disk_gb=disk(),
    )


def processor() -> str:
    """Its name, as Linux has it."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def best_secs(work: object, seconds: float = 0.5) -> float:
    """The shortest time of a call in half a second of calls."""
    assert callable(work)
    shortest, ends = float("inf"), time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        work()
        shortest = min(shortest, time.perf_counter() - began)
    return shortest


def products(rows: int, inner: int, columns: int) -> float:
    """Gigaflops of [rows, inner] @ [inner, columns]."""
    left, right = np.ones((rows, inner), np.float32), np.ones((inner, columns), np.float32)
    return 2e-9 * rows * inner * columns / best_secs(lambda: left @ right)


def memory() -> float:
    """Gigabytes a second of a copy, read and written ones."""
    source = np.ones(256 * _MIB // 4, np.float32)
    target = np.empty_like(source)
    return 2e-9 * source.nbytes / best_secs(lambda: np.copyto(target, source))


def disk() -> float:
    """Gigabytes a second of reading."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(256 * _MIB))
        file.flush()
        os.fsync(file.fileno())

        def read() -> None:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with open(file.name, "rb", buffering=0) as opened:
                while opened.read(4 * _MIB):
                    pass

        return 256 * _MIB * 1e-9 / best_secs(read)


def versions() -> dict[str, str]:
    """`ours`, and each environment of a peer that has been made."""
    found = {"ours": _listed({name: _version(name) for name in _PACKAGES})}
    for name in environments.ENVIRONMENTS:
        python = environments.HOME / name / "bin" / "python"
        if python.exists():
            program = "import importlib.metadata as m\nfor d in m.distributions():\n  print(d.name, d.version)"
            told = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout
            installed = dict(line.split(maxsplit=1) for line in told.splitlines())
            found[name] = _listed({package: installed.get(package) for package in _PACKAGES})
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _listed(found: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items() if version)


def said(machine: Machine, rounds: int, clock: str) -> str:
    """A few lines above the table."""
    by = "" if clock == "wall" else "; steps are counted by seconds of the processor, all threads together"
    packages = "; ".join(f"{name}: {listed}" for name, listed in machine.versions.items())
    return (
        f"{machine.name}, Python {platform.python_version()}; {packages}.\n"
        f"Load {machine.load[0]:g} before and {machine.load[1]:g} after. "
        f"Medians of {rounds} interleaved rounds, a process each; lowest and highest in brackets{by}.\n"
        f"The machine: {machine.gflops:,.0f} GFLOP/s in products of matrices of 2048, {machine.gflops_lstm:,.0f} in "
        f"those of LSTM(128), batch 256; memory {machine.memory_gb:.1f} GB/s; disk {machine.disk_gb:.1f} GB/s.\n"
    )
