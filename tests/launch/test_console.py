"""Lines of many processes in one stream."""

from __future__ import annotations

import io
import json
import os

from trainer.launch import console
from trainer.launch.console import Console, JsonConsole


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_line_bears_the_name_of_who_said_it() -> None:
    stream = io.StringIO()
    lines = Console(stream, ["chief:0", "ps:0"], colour=False)
    lines.lines("chief:0", ["one", "two"])
    lines.lines("ps:0", [""])
    lines.event(1.25, "all is well")
    assert stream.getvalue() == "chief:0 | one\nchief:0 | two\nps:0    | \nlaunch  |    1.2 s  all is well\n"


def test_colours_are_in_the_names_only() -> None:
    stream = io.StringIO()
    lines = Console(stream, ["chief:0", "ps:0"], colour=True)
    lines.lines("chief:0", ["one"])
    lines.lines("ps:0", ["two"])
    first, second = stream.getvalue().splitlines()
    assert first.endswith("mchief:0 | \033[0mone") and second.endswith("mps:0    | \033[0mtwo")
    assert first[:5] != second[:5]


def test_colour_is_for_terminals_unless_somebody_minds() -> None:
    assert console.wants_colour(Terminal(), {})
    assert not console.wants_colour(Terminal(), {"NO_COLOR": "1"})
    assert not console.wants_colour(Terminal(), {"TERM": "dumb"})
    assert not console.wants_colour(io.StringIO(), {})


def test_a_reader_who_has_gone_is_noticed_and_nothing_is_raised() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = open(writer, "w", encoding="utf-8")  # noqa: SIM115  (closing it would write again)
    lines = Console(stream, ["chief:0"], colour=False)
    lines.event(0.0, "first")
    assert lines.closed
    lines.event(0.0, "second")
    os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
    stream.close()


def test_lines_of_json_stay_objects_that_say_whose_they_are() -> None:
    stream = io.StringIO()
    lines = JsonConsole(stream, ["chief:0"])
    lines.lines("chief:0", ['{"severity": "INFO", "message": "hello"}', "from C++", ""])
    lines.event(1.25, "all is well")
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["message"], one["logging.googleapis.com/labels"]["process"]) for one in found] == [
        ("hello", "chief:0"),
        ("from C++", "chief:0"),
        ("all is well", "launch"),
    ]
