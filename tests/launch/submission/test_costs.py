"""Estimates of costs from a person's prices."""

from __future__ import annotations

import pathlib

import pytest

from tests.launch import vertex_requests
from trainer.job.errors import UsageError
from trainer.launch.submission import costs
from trainer.launch.submission.costs import Item

PRICES = """
currency: EUR
machines: {n2-standard-8: 0.4, n2-highmem-8: 0.5, n1-standard-4: 0.2, a2-highgpu-1g: 1.0, n1-standard-8: 0.4}
accelerators: {NVIDIA_TESLA_T4: 0.3, NVIDIA_TESLA_A100: 2.5}
spot_machines: {n1-standard-4: 0.05}
disks: {pd-standard: 0.0365, pd-ssd: 0.146}
kubernetes: {cpu: 0.03, memory_gb: 0.004}
"""


@pytest.fixture
def prices(tmp_path: pathlib.Path) -> costs.Prices:
    (tmp_path / "prices.yaml").write_text(PRICES)
    return costs.read(str(tmp_path / "prices.yaml"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        # chief and 2 workers .4, ps .5, evaluator .2, 5 disks of 200 GB at .0365 a month
        ("cluster", "costs: about 1.95 EUR an hour, at most 15.60 EUR until --timeout"),
        # 1.0 + 2.5, .4 + 2 * .3, 2 disks of 100 GB at .146 a month
        ("gpu", "costs: about 4.54 EUR an hour"),
        ("spot", "costs: about 0.28 EUR an hour, at most 13.44 EUR until --timeout"),
    ],
)
def test_a_job_on_vertex_is_the_sum_of_its_machines(name: str, told: str, prices: costs.Prices) -> None:
    spec = vertex_requests.submission(name).request["jobSpec"]
    longest = costs.seconds((spec.get("scheduling") or {}).get("timeout"))
    assert costs.line(prices, costs.of_vertex(spec), longest_secs=longest) == told


def test_what_has_no_price_is_named(prices: costs.Prices) -> None:
    items = [Item(section="machines", name="n1-standard-4", count=2), Item(section="machines", name="m1-x", count=1)]
    assert costs.line(prices, items) == "costs: at least 0.40 EUR an hour; no price for m1-x (machines)"


def test_trials_at_once_are_multiplied(prices: costs.Prices) -> None:
    items = [Item(section="kubernetes", name="cpu", count=10)]
    assert costs.line(prices, items, at_once=4) == "costs: about 1.20 EUR an hour for 4 trials at once"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("machines: {n1-standard-4: cheap}", "prices.yaml:1:12: n1-standard-4: cheap. Accepted: a number from 0 up"),
        ("machines: {n1-standard-4: -1}", "n1-standard-4: -1"),
        ("machinse: {a: 1}", "machinse. Accepted: currency, or a mapping of machines"),
        ("- 1", "Not a mapping of prices"),
        ("currency: EUR", "has no prices. Accepted: sections machines"),
    ],
)
def test_a_wrong_file_of_prices_is_refused_with_the_line(text: str, told: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(UsageError) as refused:
        costs.require(str(tmp_path / "prices.yaml"))
    assert told in str(refused.value)


def test_without_a_file_there_is_no_estimate() -> None:
    assert costs.require(None) is None
