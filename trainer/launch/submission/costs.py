"""What a job would cost an hour, from prices that the person gives; none of ours, which would be wrong tomorrow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from trainer.job import errors
from trainer.job.errors import UsageError
from trainer.job.findings import Finding
from trainer.launch.files import documents, nodes

_SECTIONS = ("machines", "accelerators", "disks", "spot_machines", "spot_accelerators", "kubernetes")
_HOURS_OF_A_MONTH = 730.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """So many of one thing that is paid by the hour.

    Attributes:
      section: of the file of prices: machines, accelerators, disks or kubernetes.
      name: in that section, as n1-standard-4, pd-ssd, cpu.
      count: how many; of disks gigabytes, whose prices are by the month.
    """

    section: str
    name: str
    count: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices by section and name, an hour each (a month and gigabyte of disks)."""

    currency: str
    of: Mapping[str, Mapping[str, float]]

    def hourly(self, item: Item) -> float | None:
        """What the item costs in an hour; None where the file does not say."""
        price = self.of.get(item.section, {}).get(item.name)
        if price is None:
            return None
        return price * item.count / (_HOURS_OF_A_MONTH if item.section == "disks" else 1.0)


def read(path: str) -> Prices:
    """The prices in a YAML file. Raises UsageError (FindingsError) with the place of everything wrong in it."""
    findings: list[Finding] = []
    roots = documents.load(path, findings)
    errors.refuse(findings, documents.REFUSED)
    value = nodes.plain(roots[0])
    errors.refuse(
        (
            Finding(where=nodes.at(roots[0], where), got=got, accept=accept, do="Correct it")
            for where, got, accept in _wrong(value)
        ),
        documents.REFUSED,
    )
    of = {section: {str(name): float(price) for name, price in value.get(section, {}).items()} for section in _SECTIONS}
    return Prices(currency=str(value.get("currency", "")), of=of)


def _wrong(value: Any) -> Iterable[tuple[tuple[str, ...], str, str]]:
    """Path, what is there, and what may be."""
    if not isinstance(value, dict):
        yield (), "Not a mapping of prices", f"currency, {', '.join(_SECTIONS)}"
        return
    for section, prices in value.items():
        if section == "currency":
            continue
        if section not in _SECTIONS or not isinstance(prices, dict):
            yield (section,), f"{section}", f"currency, or a mapping of {', '.join(_SECTIONS)}"
            continue
        for name, price in prices.items():
            if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf:
                yield (section, name), f"{name}: {price}", "a number from 0 up"


def of_vertex(job_spec: Mapping[str, Any]) -> list[Item]:
    """What the pools of a CustomJobSpec are paid for; spot machines have prices of their own."""
    spot = "spot_" if (job_spec.get("scheduling") or {}).get("strategy") == "SPOT" else ""
    items = []
    for pool in job_spec.get("workerPoolSpecs") or ():
        if not pool:
            continue
        replicas, machine = float(pool["replicaCount"]), pool["machineSpec"]
        disk = pool.get("diskSpec") or {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100}
        items.append(Item(section=f"{spot}machines", name=machine["machineType"], count=replicas))
        if machine.get("acceleratorType"):
            count = replicas * float(machine["acceleratorCount"])
            items.append(Item(section=f"{spot}accelerators", name=machine["acceleratorType"], count=count))
        size = replicas * float(disk.get("bootDiskSizeGb", 100))
        items.append(Item(section="disks", name=disk.get("bootDiskType", "pd-ssd"), count=size))
    return items


def line(prices: Prices, items: Iterable[Item], *, at_once: int = 1, longest_secs: float | None = None) -> str:
    """One line: the price of an hour, the most that the job can cost, and what had no price.

    Args:
      prices: the person's.
      items: of one job, or of one trial.
      at_once: trials that run at the same time.
      longest_secs: after which the job is ended; None where it is unlimited.
    """
    listed = list(items)
    known = [price for item in listed if (price := prices.hourly(item)) is not None]
    missing = sorted({f"{item.name} ({item.section})" for item in listed if prices.hourly(item) is None})
    hour = sum(known) * at_once
    text = f"costs: {'at least ' if missing else 'about '}{hour:.2f} {prices.currency} an hour".rstrip()
    if at_once > 1:
        text += f" for {at_once} trials at once"
    if longest_secs is not None:
        text += f", {'' if missing else 'at most '}{hour * longest_secs / 3600:.2f} {prices.currency} until --timeout"
    return text + (f"; no price for {', '.join(missing)}" if missing else "")


def seconds(duration: object) -> float | None:
    """Of a duration as the service writes it, `3600s`; None where there is none."""
    return float(str(duration).removesuffix("s")) if duration else None


def require(path: str | None) -> Prices | None:
    """The prices, where a file was named. Raises UsageError."""
    if path is None:
        return None
    prices = read(path)
    if not any(prices.of.values()):
        raise UsageError(f"{path} has no prices", f"sections {', '.join(_SECTIONS)}", "Write some")
    return prices
