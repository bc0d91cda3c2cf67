"""Addresses: what no process can be reached at is refused, and one place has one spelling."""

from __future__ import annotations

import pytest

from trainer.job import addresses


@pytest.mark.parametrize(("address", "parts"), [("ps-0:2222", ("ps-0", 2222)), ("[::1]:80", ("::1", 80))])
def test_an_address_is_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert addresses.split(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "a:1",
        "localhost:65535",
        "10.0.0.7:2222",
        "my_job-worker-0.my_job.ns.svc.cluster.local.:2222",
        "x1:80",
        "1worker.svc:80",
        "[::1]:2222",
        "[2001:db8::7]:2222",
        "[fe80::1%eth0]:1",
        "[::ffff:10.0.0.7]:1",
        "bücher.example:2222",
        "例え.テスト:2222",
        f"{'a' * 63}.svc:1",
    ],
)
def test_what_can_be_reached_is_accepted(address: str) -> None:
    assert addresses.accepted_instead(address) is None


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        (None, "host:port"),
        (5, "host:port"),
        ("", "host:port"),
        ("host", "host:port"),
        ("host:", "host:port"),
        ("host:80 ", "host:port"),
        ("host:+80", "host:port"),
        ("host:٣", "host:port"),
        ("host:0", "a port from 1 to 65535"),
        ("host:65536", "a port from 1 to 65535"),
        ("host:02222", "a port from 1 to 65535, without zeros before it"),
        ("host:000000801234567", "a port from 1 to 65535"),
        ("host:" + "9" * 5000, "a port from 1 to 65535"),
        (":80", "a name of letters"),
        ("my host:80", "a name of letters"),
        (" host:80", "a name of letters"),
        ("ho\0st:80", "a name of letters"),
        ("ho\nst:80", "a name of letters"),
        ("user@host:80", "a name of letters"),
        ("a#b:80", "a name of letters"),
        ("*:80", "a name of letters"),
        ("a..b:80", "a name of letters"),
        (".a:80", "a name of letters"),
        ("-a:80", "a name of letters"),
        ("a-:80", "a name of letters"),
        ("grpc://host:80", "a name of letters"),
        ("a,b:80", "a name of letters"),
        ("::1:80", "a name of letters"),
        (f"{'a' * 64}:80", "a name of letters"),
        ("a." * 130 + "b:80", "a name of letters"),
        ("\udc80:80", "a name of letters"),
        ("256.1.1.1:80", "four numbers from 0 to 255"),
        ("1.2.3:80", "four numbers from 0 to 255"),
        ("10.0.0.07:80", "four numbers from 0 to 255"),
        ("7:80", "four numbers from 0 to 255"),
        ("[zz]:80", "an IPv6 address being in brackets"),
        ("[]:80", "an IPv6 address being in brackets"),
        ("[127.0.0.1]:80", "an IPv6 address being in brackets"),
        ("[::1:80", "an IPv6 address being in brackets"),
        ("[::1%e 0]:80", "an IPv6 address being in brackets"),
        ("[1::2::3]:80", "an IPv6 address being in brackets"),
    ],
)
def test_what_cannot_be_reached_is_told_what_is_accepted(address: object, accepted: str) -> None:
    assert accepted in (addresses.accepted_instead(address) or "it was accepted")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Host:80", "host:80"),
        ("host.svc.:80", "host.svc:80"),
        ("[::1]:80", "[0:0:0:0:0:0:0:1]:80"),
        ("[2001:DB8::7]:80", "[2001:db8:0::7]:80"),
    ],
)
def test_two_spellings_of_one_place_are_one(one: str, other: str) -> None:
    assert addresses.canonical(one) == addresses.canonical(other)
    assert addresses.canonical(one) != addresses.canonical(other.replace(":80", ":81"))
