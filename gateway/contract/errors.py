"""What is wrong with a mapping file, with the place a hospital engineer has to look at."""

from __future__ import annotations

from collections.abc import Sequence


class MappingError(Exception):
    """A mapping file that cannot be used.

    Args:
        file: the file, relative to the folder that was read where possible.
        line: 1-based line; 0 when the file as a whole is meant (missing, empty folder).
        text: Chinese sentence that says what is wrong.
        others: further errors found in the same reading.
    """

    def __init__(self, file: str, line: int, text: str, others: Sequence[MappingError] = ()) -> None:
        self.file = file
        self.line = line
        self.text = text
        self.others = tuple(others)
        super().__init__("\n".join(error.sentence for error in self.all))

    @property
    def all(self) -> tuple[MappingError, ...]:
        """Every error of one reading, in order of file and line."""
        return (self, *self.others)

    @property
    def sentence(self) -> str:
        """``file:line: text``, without the others."""
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


def raise_together(errors: Sequence[MappingError]) -> None:
    """Raise one :class:`MappingError` that carries all ``errors``; return when there are none."""
    if not errors:
        return
    ordered = sorted(errors, key=lambda error: (error.file, error.line, error.text))
    first = ordered[0]
    raise MappingError(first.file, first.line, first.text, ordered[1:])
