"""Long reports are calculated by a process of their own: whoever calculates holds the interpreter, and calls wait for it.

The process is begun when the first report is asked for, reads the store, and gives way to everybody else
(``console.nice``). Questions go through its standard input, answers come through its standard output: a line of JSON
each, an answer with its bytes behind. It ends when its input ends, so it outlives nobody.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, Final

import structlog

from gateway.contract.jsontext import dumps, loads
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import Unreadable

log = structlog.get_logger(__name__)

ANSWER_S_MAX: Final = 120.0
"""A report that takes longer is given up with its process."""
STOP_S_MAX: Final = 10.0

Pages = Mapping[str, Callable[[Mapping[str, str]], bytes]]
"""The reports by name; each gets parameters that have been checked."""


class Reports:
    """Asks the process, one report at a time.

    Args:
        command: its program and arguments.
        answer_s_max: seconds that a report may take.
    """

    def __init__(self, command: Sequence[str], answer_s_max: float = ANSWER_S_MAX) -> None:
        self._command = list(command)
        self._answer_s_max = answer_s_max
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def answer(self, name: str, given: Mapping[str, str]) -> bytes:
        """The JSON of a report.

        Raises:
            JournalUnavailable: the process cannot read the store, or did not answer; the next question begins another.
        """
        with self._lock:
            process = self._running()
            watch = threading.Timer(self._answer_s_max, process.kill)
            watch.start()
            try:
                return _asked(process, name, given)
            except (OSError, EOFError, Unreadable) as error:
                log.exception("report_failed", report=name)
                self._end()
                raise JournalUnavailable("the process of reports did not answer") from error
            finally:
                watch.cancel()

    def close(self) -> None:
        """After the last question; one that is still being answered is given up."""
        process = self._process
        if process is not None and self._lock.locked():
            process.kill()
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            pipe = subprocess.PIPE
            # in a session of its own: Ctrl-C in the terminal reaches us alone, and we end it in order
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, start_new_session=True)  # noqa: S603 - ours
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be written finds nobody any more
                    continue
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _asked(process: subprocess.Popen[bytes], name: str, given: Mapping[str, str]) -> bytes:
    """Raises EOFError where the process ended, OSError, ``Unreadable``; JournalUnavailable where it says so."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(dumps({"name": name, "given": dict(given)}) + b"\n")
    process.stdin.flush()
    head = process.stdout.readline()
    if not head.endswith(b"\n"):
        raise EOFError
    told = loads(head)
    if "failed" in told:
        raise JournalUnavailable(str(told["failed"]))
    body = process.stdout.read(int(told["bytes"]))
    if len(body) != int(told["bytes"]):
        raise EOFError
    return body


def answer_all(pages: Pages, asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer one question after another until there are no more; runs in the process of reports."""
    for line in asked:
        question = loads(line)
        try:
            body = pages[question["name"]](question["given"])
        except Exception as error:  # whoever asks is told, and the next question may well be answered
            log.exception("report_failed", report=question["name"])
            answers.write(dumps({"failed": type(error).__name__}) + b"\n")
        else:
            answers.write(dumps({"bytes": len(body)}) + b"\n" + body)
        answers.flush()
