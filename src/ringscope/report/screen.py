"""The screen of ``ringscope top``: what :mod:`ringscope.report.live` says, in a terminal, again and again.

Textual draws it, for it leaves a terminal as it found it, keeps drawing apart from reading (a driver that hangs must
not hang the screen that shows it), resizes, and can be driven by a test. It takes no mouse: text stays selectable.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from ringscope.report import live

FIRST_S = 1.0
"""Rates take two readings: the second comes this soon, or earlier where the interval is shorter."""

ROWS = 500
"""Rows that the table holds; of more, those that come first are shown and the others counted."""

HELP = (
    ("q", "quit"),
    ("v", "queues, or processes"),
    ("s", "sort: by activity (what is stuck first), by packets waiting, by pid"),
    ("p", "pause: nothing is read until it is pressed again"),
    ("↑ ↓", "move; PgUp and PgDn by pages"),
    ("", ""),
    ("PKT/s", "packets fetched from the ring (dwords on a PM4 ring), by the pointers of two readings"),
    ("WAIT", "written and not fetched"),
    ("PRIO", "KFD's 0 to 15; low, med, high is the pipe's"),
    ("SLOT", "pipe.queue on every XCC; 0.2+ where XCCs differ"),
    ("stuck", "a slot holds it, packets wait, and none was fetched; a kernel that runs for as long looks the same"),
    ("no slot", "no slot holds it now: the firmware has it wait, or it was evicted"),
    ("fits", "the compute queues fit the slots, the processes the VMIDs"),
    ("HIQ", "dwords that the driver sent the firmware: queues made, changed, gone, evicted; never a dispatch"),
    ("CUs", "occupied at this instant, by sysfs; on MI300 of the first XCC only"),
    ("?", "was not read, or takes a second reading"),
    ("", ""),
    (
        "disturbs",
        "reading mqds holds each process's lock in turn, so that its queue calls wait; hqds selects every slot through "
        "GRBM; rls holds the packet manager's lock. No wave is stopped, no queue unmapped. One hundredth of the time "
        "goes into it at most.",
    ),
)
"""Keys and columns, each with what it means."""

_STYLES = {"plain": "bold", "alarm": "bold red", "unsure": "yellow"}


class Help(ModalScreen[None]):
    """What the columns mean; any key leaves it."""

    CSS = """
    Help { align: center middle; }
    Help VerticalScroll { max-width: 100; height: auto; max-height: 100%; border: round; scrollbar-size: 1 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter,space", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        """The text, which scrolls where it does not fit."""
        with VerticalScroll():
            grid = Table.grid(padding=(0, 1))
            grid.add_column(style="bold", min_width=8)
            grid.add_column()
            for name, what in HELP:
                grid.add_row(name, what)
            yield Static(grid)


class Screen(App[Exception]):
    """The screen. Running it returns None, or why the machine can no longer be read.

    Args:
        first: the first reading.
        reading: reads anew (see :func:`ringscope.report.live.data`); called from a thread of its own.
        rest_s: how long to wait after a reading.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: auto; max-height: 50%; }
    #status { height: 1; color: $text-muted; }
    DataTable { height: 1fr; scrollbar-size: 0 1; }
    DataTable > .datatable--header { background: ansi_default; color: ansi_default; text-style: bold underline; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("v", "view", "View"),
        Binding("s", "sort", "Sort"),
        Binding("p", "pause", "Pause"),
    ]

    def __init__(
        self, first: dict[str, Any], reading: Callable[[], dict[str, Any]], rest_s: Callable[[live.Json], float]
    ) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours: light stays light
        self.title = "ringscope top"
        self._found = first
        self._reading = reading
        self._rest_s = rest_s
        self._at = time.strftime("%H:%M:%S")
        self._view, self._sort, self._paused = live.VIEWS[0], live.SORTS[0], False
        self._wake = threading.Event()
        self._over = False

    def compose(self) -> ComposeResult:
        """Devices and warnings, how it was read, the table, the keys."""
        yield Static(id="head")
        yield Static(id="status")
        yield DataTable(cell_padding=0, cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to read."""
        with suppress(RuntimeError):  # not on the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self.query_one(DataTable).focus()
        self._show()
        threading.Thread(target=self._watch, daemon=True).start()

    def on_unmount(self) -> None:
        """Stop reading."""
        self._over = True
        self._wake.set()

    def on_resize(self, _: Resize) -> None:
        """Columns that fit now, once there is something to draw them on."""
        self.call_after_refresh(self._show)

    def _watch(self) -> None:
        """Read until the screen is gone; on a thread, for a reading may take its time."""
        rest = min(FIRST_S, self._rest_s(self._found))
        while True:
            self._wake.wait(rest)
            if self._over:
                return
            if self._paused:
                rest = 3600.0  # until the key that ends it
                self._wake.clear()
                continue
            self._wake.clear()
            try:
                found = self._reading()
            except Exception as error:  # whatever it is, a screen that stands still must not hide it
                self._hand(self.exit, error)
                return
            self._hand(self._take, found)
            rest = self._rest_s(found)

    def _hand(self, what: Callable[..., object], value: object) -> None:
        if not self._over:
            with suppress(RuntimeError):  # the screen has gone meanwhile
                self.call_from_thread(what, value)

    def _take(self, found: dict[str, Any]) -> None:
        self._found, self._at = found, time.strftime("%H:%M:%S")
        self._show()

    def _show(self) -> None:
        """Draw the last reading."""
        base = self.screen_stack[0]
        parts = [Text(line, style=_STYLES[kind]) for kind, line in live.head(self._found)]
        base.query_one("#head", Static).update(Text("\n").join(parts))
        shown = live.table(self._found, self._view, self._sort, self.size.width - 1)  # beside the scroll bar
        base.query_one("#status", Static).update(self._status(len(shown.rows)))
        widget = base.query_one(DataTable)
        row, top = widget.cursor_row, widget.scroll_y
        widget.clear(columns=True)
        for number, column in enumerate(shown.columns):
            last = number == len(shown.columns) - 1
            title = column.title.rjust(column.width) if column.right else column.title
            widget.add_column(title, width=column.width + (not last))
        for cells, stuck in zip(shown.rows[:ROWS], shown.stuck[:ROWS], strict=True):
            pairs = zip(shown.columns, cells, strict=True)
            texts = [cell.rjust(column.width) if column.right else cell for column, cell in pairs]
            widget.add_row(*(Text(text, style=_STYLES["alarm"] if stuck else "") for text in texts))
        widget.move_cursor(row=min(row, widget.row_count - 1), scroll=False)
        widget.scroll_y = top

    def _status(self, rows: int) -> Text:
        spent = sum(self._found["read_ns"].values()) / 1e6
        took = f", debugfs took {spent:.1f} ms" if self._found["read_ns"] else ""
        first = f"first {ROWS} of {rows} " if rows > ROWS else ""
        words = f"read {self._at} · {first}{self._view} by {self._sort}{took}"
        return Text.assemble(("PAUSED · ", "bold") if self._paused else "", words)

    def action_view(self) -> None:
        """The next table."""
        self._view = live.VIEWS[(live.VIEWS.index(self._view) + 1) % len(live.VIEWS)]
        self._show()

    def action_sort(self) -> None:
        """The next order."""
        self._sort = live.SORTS[(live.SORTS.index(self._sort) + 1) % len(live.SORTS)]
        self._show()

    def action_pause(self) -> None:
        """Leave the machine alone, or go on."""
        self._paused = not self._paused
        self._wake.set()
        self._show()

    def action_help(self) -> None:
        """What the columns mean."""
        self.push_screen(Help())
