"""People at screens: the console served on a port, Debian's Chromium, and what machines can see of a page."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from gateway.console.application import build_application
from tests.console.kit import PASSWORD, Bench

SHOTS = Path(os.environ.get("YIBAO_SHOTS", Path(__file__).parents[2] / "var" / "screenshots"))
AXE = Path(__file__).parent / "axe" / "axe.min.js"
SIZES = {"1366x768": (1366, 768), "1920x1080": (1920, 1080)}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
CUT = """() => [document.body, ...document.querySelectorAll('body *:not(.hide)')].filter(one => {
  const how = getComputedStyle(one);
  if (one.scrollWidth <= one.clientWidth + 1 || how.display === 'inline' || one.closest('svg') || !one.clientWidth) return false;
  if (one === document.body) return true;
  if (!/hidden|clip/.test(how.overflowX)) return false;
  const told = '[title]:not([title=""])';
  return how.textOverflow !== 'ellipsis' || !(one.closest(told) || one.querySelector(told));
}).map(one => `cut off: ${one.outerHTML.slice(0, 160)}`)"""
"""What is wider than its place with no way to come to the rest: neither a scroll bar nor, behind an ellipsis, the whole on hovering."""


@contextmanager
def served(made: Bench) -> Iterator[str]:
    """The console on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(build_application(made.parts), port=0, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ready = threading.Event()
    while not server.started and thread.is_alive():
        ready.wait(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@contextmanager
def browser() -> Iterator[Any]:
    """One Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = shutil.which("chromium")
        assert found, "chromium is not installed"
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Person:
    """Somebody at a screen; nothing they do may reach beyond this host or fail in the browser.

    Args:
        role: also the name to sign in with.
        size: a key of :data:`SIZES`.
    """

    def __init__(self, chromium: Any, base: str, role: str, size: str, password: str = PASSWORD) -> None:
        width, height = SIZES[size]
        self.base, self.role, self.size, self.password = base, role, size, password
        self.page = chromium.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(20_000)
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        self.page.on(
            "request",
            lambda asked: self.strangers.append(asked.url) if not asked.url.startswith((base, "data:")) else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def sign_in(self, name: str = "") -> None:
        self.page.goto(self.base + "/sign-in")
        self.page.fill("[name=name]", name or self.role)
        self.page.fill("[name=password]", self.password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "/sign-in" not in url)

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)

    def keyed(self, wanted: str, key: str = "Tab", keys_max: int = 150) -> None:
        """Press ``key`` until the focus is on what the selector names, and can be seen to be there."""
        for _ in range(keys_max):
            self.page.keyboard.press(key)
            if self.page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
                assert self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", wanted
                return
        raise AssertionError(f"no key leads to {wanted} on {self.page.url}")

    def looked_at(self) -> list[str]:
        """What machines can see to be wrong with the page that is open."""
        wide = self._cut(self.size)
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("rules => axe.run({runOnly: rules})", RULES)
        told = [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found["violations"]]
        return wide + told

    def _cut(self, size: str) -> list[str]:
        """What of the page that is open cannot be come to from the side, at the size it has now."""
        width = self.page.evaluate("document.documentElement.scrollWidth")
        wide = [f"{width} wide on {size}"] if width > SIZES[size][0] else []
        return wide + self.page.evaluate(CUT)

    def wide(self, name: str) -> str:
        """The page that is open on the other screens: a picture of each, and what does not fit; the layout follows the width alone."""
        found: list[str] = []
        for size, (width, height) in SIZES.items():
            if size != self.size:
                self.page.set_viewport_size({"width": width, "height": height})
                found += self._cut(size)
                self.page.screenshot(path=SHOTS / f"{name}-{self.role}-{size}.png")
        mine = SIZES[self.size]
        self.page.set_viewport_size({"width": mine[0], "height": mine[1]})
        return "; ".join(found)

    def shape(self, address: str) -> str:
        """What a page is made of, without its texts and numbers and without the menu: alike for all who see the same."""
        return self.page.evaluate(
            """address => fetch(address).then(answer => answer.text()).then(text => {
              const page = new DOMParser().parseFromString(text, 'text/html');
              return Array.from(page.querySelectorAll('main *')).map(one => `${one.tagName}.${one.className}`).join(' ');
            })""",
            address,
        )

    def picture(self, name: str, *, whole: bool = False, of: Any = None) -> None:
        """Kept for people; ``of`` another page than theirs."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        (of or self.page).screenshot(path=SHOTS / f"{name}-{self.role}-{self.size}.png", full_page=whole)

    def shot(self, name: str, *, whole: bool = False) -> None:
        """Kept for people, and looked at for what machines can see."""
        self.picture(name, whole=whole)
        wrong = self.looked_at()
        assert not wrong, f"{name}: {wrong}"

    def done(self) -> None:
        self.page.close()
        assert self.strangers == []
        assert self.complaints == []


def sheets(pattern: str, name: str, columns: int = 3, rows: int = 4, width: int = 640) -> None:
    """Contact sheets of the pictures there are: ``name-1.png`` and so on, each picture with its name under it."""
    from PIL import Image, ImageDraw

    found, caption = sorted(SHOTS.glob(pattern)), 22
    for number, first in enumerate(range(0, len(found), columns * rows), 1):
        some = [Image.open(path).convert("RGB") for path in found[first : first + columns * rows]]
        small = [one.resize((width, round(one.height * width / one.width)), Image.Resampling.LANCZOS) for one in some]
        height = max(one.height for one in small) + caption
        sheet = Image.new("RGB", (columns * width, -(-len(small) // columns) * height), "white")
        for at, (one, path) in enumerate(zip(small, found[first:], strict=False)):
            left, top = at % columns * width, at // columns * height
            sheet.paste(one, (left, top))
            ImageDraw.Draw(sheet).text((left + 6, top + one.height + 4), path.stem, fill="black")
        sheet.save(SHOTS / f"{name}-{number}.png")
