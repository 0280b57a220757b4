"""Errors: one line, whatever they quote."""

from ringscope.errors import LINE_CHARS, InputError, InsufficientError, RingscopeError


def test_an_error_says_what_where_and_what_to_do() -> None:
    assert str(InputError("is cut", "mqds:12", "copy it again")) == "mqds:12: is cut; copy it again"
    assert str(InputError("is cut")) == "is cut"


def test_what_a_terminal_would_not_print_is_written_as_an_escape() -> None:
    """Found by fuzzing: file names and options were quoted as they stood."""
    for error in (InputError("no such fault", "--fault hang\x00\x1b[2J", "café\n"), InsufficientError("a\u2028b")):
        assert str(error).isprintable()
    assert str(RingscopeError("café")) == "café"


def test_a_long_quotation_is_cut_in_its_middle() -> None:
    """Found by fuzzing: an option of any length was quoted whole."""
    line = str(InputError("no such axis", f"--over {'x' * 5000}", "give one"))
    assert len(line) <= LINE_CHARS and line.startswith("--over xxx") and line.endswith("no such axis; give one")
