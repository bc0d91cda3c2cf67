"""Machine and accelerator names of Vertex AI, and which go together.

Follows https://cloud.google.com/vertex-ai/docs/training/configure-compute. A machine or an accelerator that is newer
than these lists passes with a note where its name is well formed: the service knows all of them. What contradicts the
lists, as an accelerator in a known machine that cannot have it, is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.job.findings import Finding, Level, Path, short, unknown
from trainer.job.spelling import suggestion
from trainer.launch.files.schema import whole

_FORM = re.compile(r"[a-z]{1,3}\d{0,2}[a-z]{0,2}-[a-z]+(-[a-z0-9]+)+|cloud-tpu")
_TPU_MACHINES = ("cloud-tpu", "ct")
_GENERAL = {"standard", "highmem", "highcpu"}
_CLASSES = {
    "e2": _GENERAL,
    "n1": _GENERAL,
    "n2": _GENERAL,
    "n2d": _GENERAL,
    "c2": {"standard"},
    "c2d": _GENERAL,
    "c3": _GENERAL,
    "m1": {"ultramem", "megamem"},
    "g2": {"standard"},
    "g4": {"standard"},
    "a2": {"highgpu", "megagpu", "ultragpu"},
    "a3": {"highgpu", "megagpu", "ultragpu", "edgegpu"},
    "a4": {"highgpu"},
    "a4x": {"highgpu"},
}
# The most of each that one machine takes; it takes 1, 2, 4 ... of them.
_N1_GPUS = {
    "NVIDIA_TESLA_T4": 4,
    "NVIDIA_TESLA_P4": 4,
    "NVIDIA_TESLA_P100": 4,
    "NVIDIA_TESLA_V100": 8,
    "NVIDIA_TESLA_K80": 8,
}
# Families whose machines have accelerators built in, and the one that each class has.
_BUILT_IN = {
    ("g2", "standard"): "NVIDIA_L4",
    ("g4", "standard"): "NVIDIA_RTX_PRO_6000",
    ("a2", "highgpu"): "NVIDIA_TESLA_A100",
    ("a2", "megagpu"): "NVIDIA_TESLA_A100",
    ("a2", "ultragpu"): "NVIDIA_A100_80GB",
    ("a3", "highgpu"): "NVIDIA_H100_80GB",
    ("a3", "edgegpu"): "NVIDIA_H100_80GB",
    ("a3", "megagpu"): "NVIDIA_H100_MEGA_80GB",
    ("a3", "ultragpu"): "NVIDIA_H200_141GB",
    ("a4", "highgpu"): "NVIDIA_B200",
    ("a4x", "highgpu"): "NVIDIA_GB200",
}
# How many there are: by the cores that the name says; in the other families the name says the number itself.
_COUNT_BY_CORES = {
    "g2": {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8},
    "g4": {48: 1, 96: 2, 192: 4, 384: 8},
}
_KNOWN = (*_N1_GPUS, *_BUILT_IN.values(), "TPU_V2", "TPU_V3", "TPU_V4_POD", "TPU_V5_LITEPOD")
_EXAMPLES = tuple(f"{family}-{kind}-4" for family, kinds in _CLASSES.items() for kind in sorted(kinds))


def violations(spec: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """What is wrong with a machineSpec, and notes on machines and accelerators that are not known here."""
    name, kind = spec.get("machineType"), spec.get("acceleratorType")
    findings = [*_machine(name, (*path, "machineType")), *_accelerator(spec, path)]
    yield from findings
    if isinstance(name, str) and not any(finding.level is Level.ERROR for finding in findings):
        yield from _together(name, kind, whole(spec.get("acceleratorCount", 0)) or 0, path)
    topology = spec.get("tpuTopology")
    if topology is not None and not re.fullmatch(r"\d+(x\d+){1,2}", topology):
        at = (*path, "tpuTopology")
        yield Finding(where=at, got=short(topology), accept="numbers with x between", do="Write --tpu_topology=2x4")
    elif topology is not None and isinstance(name, str) and not name.startswith(_TPU_MACHINES):
        got = f"a topology of TPUs in a {name}"
        yield Finding(where=(*path, "tpuTopology"), got=got, accept="TPU machines (ct...)", do="Change --machine")


def _machine(name: object, path: Path) -> Iterator[Finding]:
    if not name:
        do = "Set --machine=n1-standard-4"
        yield Finding(where=path, got="no machine type", accept="one of Compute Engine's", do=do)
        return
    if not _FORM.fullmatch(str(name)):
        accept = "a family, a class and a size, such as n1-standard-4 or a2-highgpu-1g"
        do = suggestion(str(name), _EXAMPLES, "gcloud compute machine-types list shows all")
        yield Finding(where=path, got=f"{short(name)} is not a machine type", accept=accept, do=do)
        return
    family, category, _ = _parts(str(name))
    if category not in _CLASSES.get(family, ()) and not str(name).startswith(_TPU_MACHINES):
        yield unknown(path, "machine type", str(name), _EXAMPLES, decides="Vertex AI")


def _accelerator(spec: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    kind, count = spec.get("acceleratorType"), spec.get("acceleratorCount")
    at = (*path, "acceleratorType")
    if kind and not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(kind)):
        do = suggestion(str(kind), _KNOWN, "Use a name of Vertex AI's AcceleratorType")
        yield Finding(
            where=at, got=f"{short(kind)} is not an accelerator", accept="a name such as NVIDIA_TESLA_T4", do=do
        )
    elif kind and kind not in _KNOWN:
        yield unknown(at, "accelerator", str(kind), _KNOWN, decides="Vertex AI")
    at = (*path, "acceleratorCount")
    if count is not None and not kind:
        do = "Set the type too (--accelerator=NVIDIA_TESLA_T4:1)"
        yield Finding(where=at, got=f"{count} accelerators without a type", accept="a type and a count", do=do)
    elif kind and (whole(count) or 0) < 1:
        got = "no count" if count is None else f"{count} accelerators"
        yield Finding(where=at, got=got, accept="1 or more in a machine", do="Write --accelerator=TYPE:COUNT")


def _together(name: str, kind: str | None, count: int, path: Path) -> Iterator[Finding]:
    """Contradictions between a machine that is known here and its accelerators; of others nothing is said."""
    family, category, _ = _parts(name)
    if category not in _CLASSES.get(family, ()):
        return
    built_in = _BUILT_IN.get((family, category))
    if built_in:
        yield from _with_built_in(name, kind, count, path)
    elif kind in _N1_GPUS and family == "n1":
        most = _N1_GPUS[kind]
        if count > most or count & (count - 1):
            got, do = f"{count} {kind} in a {name}", "Write --accelerator=TYPE:COUNT"
            accept = f"a power of two, up to {most}"
            yield Finding(where=(*path, "acceleratorCount"), got=got, accept=accept, do=do)
    elif kind and kind.startswith("NVIDIA") and (family != "n1" or kind in _BUILT_IN.values()):
        homes = [f"{family}-{category}" for (family, category), gpu in _BUILT_IN.items() if gpu == kind]
        accept = (
            f"{kind} in {' or '.join(homes or ['n1'])} machines" if kind in _KNOWN else f"no accelerator in {family}"
        )
        yield Finding(where=path, got=f"{kind} in a {name}", accept=accept, do="Change --machine")


def _with_built_in(name: str, kind: str | None, count: int, path: Path) -> Iterator[Finding]:
    """A machine of a family that has accelerators built in: that one, and not more than there are."""
    family, category, size = _parts(name)
    built_in = _BUILT_IN[family, category]
    there = _COUNT_BY_CORES[family].get(size) if family in _COUNT_BY_CORES else size
    if there is None:
        examples = [f"{family}-{category}-{cores}" for cores in _COUNT_BY_CORES[family]]
        yield unknown((*path, "machineType"), "machine type", name, examples, decides="Vertex AI")
    if kind != built_in or count > (there or count):
        got = f"{name} with {f'{count} {kind}' if kind else 'no accelerator'}"
        do = f"Set --accelerator={built_in}:{there or 1}, or choose another machine"
        yield Finding(where=path, got=got, accept=f"{there or 'the'} {built_in}, which are built in", do=do)
    elif count < (there or 0):
        got = f"{count} of the {there} {built_in} that a {name} has, and so a part of its memory and cores"
        yield Finding(where=path, got=got, do=f"For all of them: {built_in}:{there}", level=Level.NOTE)


def _parts(name: str) -> tuple[str, str, int]:
    """Family, class and size of a machine type; 0 where the name has no size."""
    match = re.fullmatch(r"([a-z0-9]+)-([a-z]+)-(\d+)[a-z]?", name)
    return (match[1], match[2], int(match[3])) if match else (name.partition("-")[0], "", 0)
