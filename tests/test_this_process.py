"""What a process tells the others about itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gateway.this_process import _place, facts_of_this_process, process_lives


def test_whether_a_process_lives() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(20)
    assert not process_lives(ended.pid)
    assert process_lives(os.getpid())
    assert process_lives(1), "of another user, perhaps"
    assert process_lives(0), "nobody knows"


def test_where_this_process_is(tmp_path: Path) -> None:
    facts = facts_of_this_process("127.0.0.1:8080", "1.0", 12)
    assert (facts.pid, facts.address, facts.silence_s) == (os.getpid(), "127.0.0.1:8080", 12)
    assert facts.place == _place()
    assert _place(tmp_path) == "", "where the system does not tell, silence alone does"
