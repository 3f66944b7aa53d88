"""What a person was shown before the button was pressed: nothing else is sent in their name."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from gateway.contract.jsontext import dumps_sorted

CHANGED_MEANWHILE: Final = "核对之后情况又有变化，没有发送；下面是现在的内容，请再核对一次"


def mark_of(shown: Any) -> str:
    """A short mark of JSON values: the same for the same content, for a hidden field of the form."""
    return hashlib.sha256(dumps_sorted(shown)).hexdigest()[:32]
