"""The ASGI application: every page behind the same door.

The door knows who it is, whether the page is for that role, and whether a form was made by us for this very session.
A page cannot be reached around it: routes are made here from the areas, and from nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.console import sessions
from gateway.console.area import PUBLIC, Area, Page
from gateway.console.areas import AREAS
from gateway.console.pages import STATIC, Pages
from gateway.console.parts import Parts
from gateway.console.rights import SIGNED_IN
from gateway.console.visit import Visit
from gateway.exchange.ports import BodiesAway, JournalUnavailable
from gateway.store.accounts import User

log = structlog.get_logger(__name__)

SIGN_IN: Final = "/sign-in"
START: Final = "/"
PASSWORD: Final = "/password"  # noqa: S105 - an address
FORM_BYTES_MAX: Final = 2 * 1024 * 1024
FIELDS_MAX: Final = 5000
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = (
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=()"),
)


def areas_of(parts: Parts) -> list[Area]:
    """The areas that are there with these settings."""
    return [area for area in AREAS if not (area.only_on_test_line and parts.settings.production)]


def build_application(parts: Parts) -> Starlette:
    """The console."""
    areas = areas_of(parts)
    pages = Pages(areas)
    door = _Door(parts, pages)
    routes: list[Any] = [Route("/healthz", _healthz, methods=["GET"])]
    for area in areas:
        routes += [Route(page.path, door.opened(page), methods=[page.method]) for page in area.pages]
    routes.append(Mount("/static", StaticFiles(directory=STATIC), name="static"))
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Headers, https=parts.settings.console.https)],
        exception_handlers={HTTPException: door.failed, Exception: door.broke},
    )


async def _healthz(_: Request) -> Response:
    return JSONResponse({"alive": True})


class _Refused(Exception):
    """The door stays shut; carries the answer."""

    def __init__(self, response: Response) -> None:
        self.response = response


class _Door:
    def __init__(self, parts: Parts, pages: Pages) -> None:
        self._parts = parts
        self._pages = pages

    def opened(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a page."""

        async def endpoint(request: Request) -> Response:
            form = await _form(request) if page.method == "POST" else {}
            return await run_in_threadpool(self._pass, page, request, form)

        return endpoint

    def _pass(self, page: Page, request: Request, form: dict[str, str]) -> Response:
        try:
            visit = self._visit(page, request, form)
            return page.show(visit)
        except _Refused as refused:
            return refused.response
        except BodiesAway as error:
            return self._told(request, 503, "报文现在读不到", str(error))
        except JournalUnavailable:
            log.warning("console_without_store", path=request.url.path)
            return self._told(request, 503, "交易日志暂时读不到", "请稍后再试；若一直如此，请信息科检查存储。")

    # ----------------------------------------------------------- who is it

    def _visit(self, page: Page, request: Request, form: dict[str, str]) -> Visit:
        if page.right is PUBLIC:
            token = request.cookies.get(sessions.COOKIE_BEFORE, "")
            self._must_be_ours(page, request, token, form)
            return Visit(self._parts, self._pages, request, token, form)
        token = request.cookies.get(sessions.COOKIE, "")
        user = self._user(token, quiet=page.quiet)
        if user is None:
            raise _Refused(_to_sign_in(request))
        self._must_be_ours(page, request, token, form)
        if user.must_change and page.right != SIGNED_IN:
            raise _Refused(_sent_to(request, PASSWORD))
        visit = Visit(self._parts, self._pages, request, token, form, user)
        if not visit.may(page.right):
            menu = self._pages.menu_of(visit.role)
            if page.path == START and menu:  # whose role has no first page of the day begins with what it has
                raise _Refused(_sent_to(request, menu[0].path))
            log.warning("console_not_allowed", user=user.name, role=user.role, path=request.url.path)
            text = f"您的角色是“{visit.role.title}”，没有这项权限。需要时请信息科调整。"
            if not menu:
                text = f"您的角色是“{visit.role.title}”，这里没有它的页面（联调只在测试环境才有）。"
            raise _Refused(visit.show("templates/told.html", 403, title="没有权限", text=text))
        return visit

    def _user(self, token: str, *, quiet: bool) -> User | None:
        if not token:
            return None
        kept = sessions.token_hash(token)
        session = self._parts.store.accounts.session(kept)
        now, console = self._parts.clock(), self._parts.settings.console
        if session is None or sessions.expired(session, now, console.idle_s_max, console.session_s_max):
            return None
        if not quiet and now - session.seen_at > min(sessions.SEEN_EVERY, timedelta(seconds=console.idle_s_max / 4)):
            self._parts.desk.do("seen", {"token_hash": kept})
        return session.user

    def _must_be_ours(self, page: Page, request: Request, token: str, form: dict[str, str]) -> None:
        """A change is asked for by a form that we made for this session, on a page of ours."""
        if page.method != "POST":
            return
        given = request.headers.get("x-csrf") or form.get("csrf", "")
        if not (token and _same_origin(request, self._parts.settings.console.public_url)):
            raise _Refused(self._told(request, 403, "请求被拒绝", "这个请求不是从控制台的页面发出的。"))
        if not sessions.csrf_right(token, given):
            raise _Refused(self._told(request, 403, "页面已过期", "请返回上一页，刷新后再试；没有做任何改动。"))

    # ------------------------------------------------------------ failures

    def _told(self, request: Request, status: int, title: str, text: str) -> Response:
        visit = Visit(self._parts, self._pages, request, "", {})
        return visit.show("templates/told.html", status, title=title, text=text)

    async def failed(self, request: Request, error: Exception) -> Response:
        """An address that is not there, a method it has not."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        texts = {404: "没有这个页面", 405: "不能这样访问", 413: "提交的内容太大", 400: "请求无法读取"}
        return self._told(request, status, texts.get(status, "请求失败"), "请从菜单进入，或返回上一页。")

    async def broke(self, request: Request, error: Exception) -> Response:
        """Our own failure: people get a sentence, the log gets the trace."""
        log.error("console_failed", path=request.url.path, exc_info=error)
        return self._told(request, 500, "控制台出错", "已记入日志，请联系信息科。")


async def _form(request: Request) -> dict[str, str]:
    """Fields of a urlencoded form, the only kind our pages send."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise HTTPException(413)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/x-www-form-urlencoded":
        raise HTTPException(400)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise HTTPException(400) from None
    return dict(pairs)


def _same_origin(request: Request, public_url: str) -> bool:
    """By what the browser itself says of where the request comes from; an old one says nothing and the mark decides."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc in {request.headers.get("host", ""), urlsplit(public_url).netloc} - {""}


def _to_sign_in(request: Request) -> Response:
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = f"{SIGN_IN}?next={quote(asked, safe='')}" if request.method == "GET" and asked != "/" else SIGN_IN
    if request.headers.get("hx-request") == "true":
        wanted = SIGN_IN
    return _sent_to(request, wanted)


def _sent_to(request: Request, path: str) -> Response:
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


class _Headers:
    """Puts the same headers on every answer; one that needs its own style (a voucher) brings its own policy."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        more = (("strict-transport-security", "max-age=31536000"),) if https else ()
        self._headers = [(name.encode(), value.encode()) for name, value in (*HEADERS, *more)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        still = scope["path"].startswith("/static/") and b"v=" in scope["query_string"]
        kept = b"public, max-age=31536000, immutable" if still else b"no-store"

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                ours = [(name, value) for name, value in self._headers if name not in given]
                message["headers"] = [*message["headers"], *ours, (b"cache-control", kept)]
            await send(message)

        await self._app(scope, receive, sent)
