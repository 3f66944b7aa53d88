"""One request of one person, as a page sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.console.pages import Pages
from gateway.console.parts import Parts
from gateway.console.rights import NOBODY, Role
from gateway.console.sessions import csrf_of, token_hash
from gateway.console.shown import free_text
from gateway.store.accounts import User

TIME_HEADER: Final = "Console-Time"
"""By it a page that refreshes itself knows from when its parts are (``static/console.js``)."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks for what.

    Args:
        token: of the session; before the sign-in the browser's mark.
        form: fields of a POST; the last of a name counts.
    """

    parts: Parts
    pages: Pages
    request: Request
    token: str
    form: Mapping[str, str]
    user: User | None = None

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    @property
    def path(self) -> Mapping[str, str]:
        """The named parts of the address."""
        return self.request.path_params

    @property
    def role(self) -> Role:
        return self.parts.roles.get(self.user.role, NOBODY) if self.user is not None else NOBODY

    @property
    def by_htmx(self) -> bool:
        """A part of a page is asked for, not a whole one."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def operator(self) -> str:
        """Under which name things are done: ``李主任（yibao）``."""
        return f"{self.user.full_name}（{self.user.name}）" if self.user is not None else ""

    @property
    def address(self) -> str:
        """Where the browser is."""
        return self.request.client.host if self.request.client is not None else ""

    def may(self, right: str) -> bool:
        """Whether the person has a right."""
        return self.role.may(right)

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page from ``template`` (``<area>/<page>.html``)."""
        session = token_hash(self.token) if self.token else ""
        flash = self.parts.flashes.take(session) if session and not self.by_htmx and self.user is not None else None
        text = self.pages.render(
            template,
            visit=self,
            user=self.user,
            role=self.role,
            may=self.may,
            csrf=csrf_of(self.token) if self.token else "",
            flash=flash,
            menu=self.pages.menu_of(self.role) if self.user is not None and not self.user.must_change else (),
            here=self.request.url.path,
            now=self.parts.clock(),
            settings=self.parts.settings,
            **values,
        )
        return HTMLResponse(text, status, {TIME_HEADER: f"{self.parts.clock():%H:%M:%S}"})

    def say(self, text: str, kind: str = "ok") -> None:
        """A line on the next page; what others wrote in it is masked like everywhere."""
        self.parts.flashes.put(token_hash(self.token), kind, free_text(text, plain=self.may("exchange.body")))

    def go(self, path: str) -> Response:
        """See another page (after a POST)."""
        if self.by_htmx:
            return Response(status_code=204, headers={"HX-Redirect": path})
        return RedirectResponse(quote(path, safe="/?=&%#"), status_code=303)

    def note(self, act: str, subject: str, detail: str = "") -> bool:
        """Put into the operator log what this person looks at or does; whether it was kept."""
        return bool(self.do("note", act=act, subject=subject, detail=detail)["ok"])

    def do(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Have the desk do something in this person's name."""
        return self.parts.desk.do(operation, {"operator": self.operator, **arguments})
