"""Catalogs (13xx) brought up to date, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.catalogs.service import CannotUpdate, CatalogUpdates, Updated
from gateway.contract.errors import MappingError
from gateway.store.catalogs import ImportTaken
from jobs.job import JobFailed, Result, Run, RunLost

PARTS: Final = 1000
"""Progress of one catalog is told in thousandths of it."""


@dataclass(frozen=True, slots=True)
class Catalogs:
    """The job ``catalogs``.

    Args:
        chosen: which are kept; raises ``MappingError``.
    """

    updates: CatalogUpdates
    chosen: Callable[[], Sequence[str]]

    def work(self, run: Run) -> Result:
        """Update every catalog, or those a person named (``{"catalogs": [...], "whole": true}``).

        One that fails keeps its old version and does not hold up the others.

        Raises:
            JobFailed: at least one could not be updated; the text says which and why.
        """
        infnos, whole = self._wanted(run.given)
        done: list[Updated] = []
        failed: list[str] = []
        for place, infno in enumerate(infnos):
            told = _Progress(run, place, len(infnos))
            try:
                done.append(self.updates.update(infno, told, whole=whole, under=run.registration))
            except CannotUpdate as error:
                failed.append(f"{infno}：{error}")
            except ImportTaken as error:
                raise RunLost from error
        if failed:
            raise JobFailed(f"{len(infnos)} 个目录中有 {len(failed)} 个没有更新。" + "。".join(failed))
        run.advance(len(infnos) * PARTS, len(infnos) * PARTS)
        return _result(done)

    def _wanted(self, given: Any) -> tuple[list[str], bool]:
        named, whole = given.get("catalogs") or [], given.get("whole", False)
        if not isinstance(whole, bool):
            raise JobFailed('应为 {"catalogs": ["1301", ...], "whole": true 或 false}')
        if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
            raise JobFailed('catalogs 应为目录编号的列表，如 ["1301"]')
        try:
            return list(dict.fromkeys(named or self.chosen())), whole
        except MappingError as error:
            raise JobFailed(f"映射文件有误：{error}") from error


@dataclass(frozen=True, slots=True)
class _Progress:
    """Tells the run how far it is; raises what the run raises when it must end."""

    run: Run
    place: int
    count: int

    def __call__(self, _what: str, done: int, total: int) -> None:
        within = min(PARTS, done * PARTS // total) if total else 0
        self.run.advance(self.place * PARTS + within, self.count * PARTS)


def _result(done: Sequence[Updated]) -> Result:
    newer = [one for one in done if one.versions]
    return Result(
        {
            "目录": len(done),
            "有更新": len(newer),
            "新增": sum(one.added for one in done),
            "变更": sum(one.changed for one in done),
            "撤销": sum(one.withdrawn for one in done),
        },
        detail={
            "catalogs": [
                {
                    "infno": one.infno,
                    "ver": one.versions[-1].ver,
                    "added": one.added,
                    "changed": one.changed,
                    "withdrawn": one.withdrawn,
                    "notes": [note for version in one.versions for note in version.notes],
                }
                for one in newer
            ]
        },
    )
