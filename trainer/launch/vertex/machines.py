"""Machine and accelerator names of Vertex AI, and which go together.

Follows https://cloud.google.com/vertex-ai/docs/training/configure-compute. A family that is newer than this list passes
when it has the form of one: the service has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.launch.breaches import Breach, Path, meant, short
from trainer.launch.files.schema import whole

_FORM = re.compile(r"([a-z]{1,3}\d{0,2}[a-z]{0,2})-([a-z]+)-(\d+)([gt]?)|cloud-tpu|ct\dlp-hightpu-\d+t")
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
    "a2": {"highgpu", "megagpu", "ultragpu"},
    "a3": {"highgpu", "megagpu", "ultragpu", "edgegpu"},
    "a4": {"highgpu"},
}
_N1_GPUS = ("NVIDIA_TESLA_T4", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_K80")
# Families whose machines have accelerators built in, and the one that each class has.
_BUILT_IN = {
    ("g2", "standard"): "NVIDIA_L4",
    ("a2", "highgpu"): "NVIDIA_TESLA_A100",
    ("a2", "megagpu"): "NVIDIA_TESLA_A100",
    ("a2", "ultragpu"): "NVIDIA_A100_80GB",
    ("a3", "highgpu"): "NVIDIA_H100_80GB",
    ("a3", "edgegpu"): "NVIDIA_H100_80GB",
    ("a3", "megagpu"): "NVIDIA_H100_MEGA_80GB",
    ("a3", "ultragpu"): "NVIDIA_H200_141GB",
    ("a4", "highgpu"): "NVIDIA_B200",
}
_L4_COUNTS = {24: 2, 48: 4, 96: 8}
_KNOWN = (
    *_N1_GPUS,
    *_BUILT_IN.values(),
    "NVIDIA_GB200",
    "NVIDIA_RTX_PRO_6000",
    "TPU_V2",
    "TPU_V3",
    "TPU_V4_POD",
    "TPU_V5_LITEPOD",
)


def breaches(spec: Mapping[str, Any], path: Path) -> Iterator[Breach]:
    """What is wrong with a machineSpec."""
    name, kind = spec.get("machineType"), spec.get("acceleratorType")
    wrong = list(_machine(name, (*path, "machineType"))) + list(_accelerator(spec, path))
    yield from wrong
    if not wrong and isinstance(name, str):
        yield from _together(name, kind, whole(spec.get("acceleratorCount", 0)) or 0, path)


def _machine(name: object, path: Path) -> Iterator[Breach]:
    if not name:
        do = "Set --machine=n1-standard-4"
        yield Breach(path=path, got="no machine type", accept="one of Compute Engine's", do=do)
        return
    match = _FORM.fullmatch(str(name))
    family, kind = (match[1], match[2]) if match else (None, "")
    if not match or (family in _CLASSES and kind not in _CLASSES[family]):
        examples = [f"{family}-{kind}-4" for family, kinds in _CLASSES.items() for kind in sorted(kinds)]
        accept = "a family, a class and a size, as n1-standard-4 or a2-highgpu-1g"
        do = meant(str(name), examples, "gcloud compute machine-types list shows all")
        yield Breach(path=path, got=f"no machine type {short(name)}", accept=accept, do=do)


def _accelerator(spec: Mapping[str, Any], path: Path) -> Iterator[Breach]:
    kind, count = spec.get("acceleratorType"), spec.get("acceleratorCount")
    if kind and kind not in _KNOWN:
        at, accept = (*path, "acceleratorType"), f"one of {', '.join(_KNOWN)}"
        do = meant(str(kind), _KNOWN, "Use one of them")
        yield Breach(path=at, got=f"no accelerator {short(kind)}", accept=accept, do=do)
    if count is not None and not kind:
        do = "Set the type too (--accelerator=NVIDIA_TESLA_T4:1)"
        at = (*path, "acceleratorCount")
        yield Breach(path=at, got=f"{count} accelerators of no type", accept="a type and a count", do=do)
    number = whole(count) if count is not None else None
    if kind and number not in (1, 2, 4, 8, 16):
        got = "no count" if count is None else f"{count} accelerators"
        do = "Write --accelerator=TYPE:COUNT"
        yield Breach(path=(*path, "acceleratorCount"), got=got, accept="1, 2, 4, 8 or 16 in a machine", do=do)


def _together(name: str, kind: str | None, count: int, path: Path) -> Iterator[Breach]:
    family, _, rest = name.partition("-")
    category, _, size = rest.partition("-")
    built_in = _BUILT_IN.get((family, category))
    if built_in:
        wanted = _L4_COUNTS.get(int(size), 1) if family == "g2" else int(size.rstrip("g"))
        if (kind, count) != (built_in, wanted):
            got = f"{name} with {f'{count} {kind}' if kind else 'no accelerator'}"
            do = f"Set --accelerator={built_in}:{wanted}, or choose another machine"
            yield Breach(path=path, got=got, accept=f"{wanted} {built_in}, which are built in", do=do)
    elif kind and kind.startswith("NVIDIA") and (family != "n1" or kind not in _N1_GPUS):
        homes = [f"{family}-{category}" for (family, category), gpu in _BUILT_IN.items() if gpu == kind] or ["n1"]
        got = f"{kind} in a {name}"
        yield Breach(path=path, got=got, accept=f"{kind} in {' or '.join(homes)} machines", do="Change --machine")
