"""Progress: plain lines now and then where there is no terminal, bars where there is one."""

from __future__ import annotations

import io

from aisle.cli.progress import PlainLines, show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_are_few_and_say_the_end() -> None:
    stream, now = io.StringIO(), [0.0]
    progress = PlainLines(stream, clock=lambda: now[0])
    for seconds, done in [(0, 0), (1, 10), (4.9, 40), (5, 50), (6, 60), (7, 100), (8, 100)]:
        now[0] = seconds
        progress("import", done, 100)
    progress("download", 4000, None)
    assert stream.getvalue().splitlines() == [
        "import: 0 of 100 (0 %)",
        "import: 50 of 100 (50 %)",
        "import: 100 of 100 (100 %)",
        "download: 4,000",
    ]


def test_where_there_is_no_terminal_lines_are_written() -> None:
    stream = io.StringIO()
    with show_progress(stream) as progress:
        progress("train", 0, 0)
    assert stream.getvalue() == "train: 0 of 0\n"


def test_on_a_terminal_there_are_bars() -> None:
    stream = Terminal()
    with show_progress(stream) as progress:
        progress("import", 50, 200)
        progress("import", 200, 200)
        progress("download", 3, None)
    text = stream.getvalue()
    assert "import" in text
    assert "200 of 200 (100 %)" in text
    assert "download" in text
