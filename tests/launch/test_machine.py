"""Cores, memory and disk, from the files that the system keeps."""

from __future__ import annotations

import os
import pathlib

import pytest

from trainer.launch import machine


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1)])
def test_a_containers_quota_counts(tmp_path: pathlib.Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert machine.cores(tmp_path) == cores


@pytest.mark.parametrize("quota", ["max 100000", "100000000 100000", ""])
def test_without_a_quota_the_machines_cores_count(tmp_path: pathlib.Path, quota: str) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert machine.cores(tmp_path) == machine.cores(tmp_path / "absent") >= 1


def test_free_memory_is_the_machines_or_what_the_container_leaves(tmp_path: pathlib.Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 8000 kB\nMemAvailable:    4000 kB\n")
    assert machine.available_memory_bytes(meminfo, tmp_path) == 4000 * 1024
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert machine.available_memory_bytes(meminfo, tmp_path) == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory_bytes(meminfo, tmp_path) == 4000 * 1024
    assert machine.available_memory_bytes(tmp_path / "absent", tmp_path / "absent") is None


def test_the_disk_of_a_directory_to_be_made_is_its_parents(tmp_path: pathlib.Path) -> None:
    wanted = tmp_path / "to" / "be" / "made"
    assert machine.existing_parent(str(wanted)) == tmp_path
    assert 0 < machine.free_disk_bytes(str(wanted)) <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
