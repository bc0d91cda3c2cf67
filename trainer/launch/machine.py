"""What this machine has to offer a process: cores, memory, disk."""

from __future__ import annotations

import os
import pathlib
import shutil

_CGROUP = pathlib.Path("/sys/fs/cgroup")
_MEMINFO = pathlib.Path("/proc/meminfo")


def cores(cgroup: pathlib.Path = _CGROUP) -> int:
    """Cores that this process may use: those that it is bound to, and not more than the container's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    if quota.isdecimal() and period.strip().isdecimal():
        return max(min(bound, int(quota) // int(period)), 1)
    return bound


def available_memory_bytes(meminfo: pathlib.Path = _MEMINFO, cgroup: pathlib.Path = _CGROUP) -> int | None:
    """Memory that could still be taken, in this container; None where the system does not say."""
    free = next((line for line in _text(meminfo).splitlines() if line.startswith("MemAvailable:")), "")
    amounts = [int(word) * 1024 for word in free.split()[1:2] if word.isdecimal()]
    limit, used = _text(cgroup / "memory.max").strip(), _text(cgroup / "memory.current").strip()
    if limit.isdecimal() and used.isdecimal():
        amounts.append(max(int(limit) - int(used), 0))
    return min(amounts, default=None)


def free_disk_bytes(directory: str) -> int:
    """Bytes free where `directory` is, or would be made."""
    return shutil.disk_usage(existing_parent(directory)).free


def existing_parent(directory: str) -> pathlib.Path:
    """The directory itself, or the nearest one above that exists."""
    path = pathlib.Path(directory).expanduser().absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _text(path: pathlib.Path) -> str:
    """Of a small file; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
