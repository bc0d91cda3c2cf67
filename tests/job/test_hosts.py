"""Who answers, asked all at once."""

from __future__ import annotations

import socket

from trainer.job import hosts
from trainer.job.hosts import Answer


def test_every_address_gets_its_answer_in_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{sock.getsockname()[1]}" for sock in (server, closed)]
        addresses.append("no-such-host.invalid:2222")
        found = hosts.ask(addresses)
    assert [reached.address for reached in found] == addresses
    assert [reached.answer for reached in found[:2]] == [Answer.LISTENS, Answer.REFUSED]
    assert found[2].answer in (Answer.UNKNOWN, Answer.SILENT)


def test_who_does_not_answer_is_waited_for_no_longer_than_said() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        found = hosts.ask([f"127.0.0.1:{address[1]}"], timeout_secs=0.2)
        for client in waiting:
            client.close()
    assert [reached.answer for reached in found] == [Answer.SILENT]
