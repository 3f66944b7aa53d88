"""Signing in and out, one's own password."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from gateway.console import sessions
from gateway.console.area import PUBLIC, Area, Page
from gateway.console.rights import SIGNED_IN
from gateway.console.visit import Visit
from gateway.store.accounts import User

_WRONG: Final = "用户名或密码不正确"
NAME_CHARS_MAX: Final = 30


def sign_in_page(visit: Visit) -> Response:
    """The form. The browser is marked first, so that the form can be told from a forged one."""
    token = visit.token or sessions.new_token()
    response = _form(visit, token, visit.query.get("next", ""), "", "")
    if not visit.token:
        _set(visit, response, sessions.COOKIE_BEFORE, token)
    return response


def sign_in(visit: Visit) -> Response:
    """Who comes is told nothing but that it was wrong; a session begins with a token that no browser has seen before."""
    parts, name, password = visit.parts, visit.form.get("name", "").strip(), visit.form.get("password", "")
    wanted = visit.form.get("next", "")
    if not name or len(name) > NAME_CHARS_MAX:
        return _form(visit, visit.token, wanted, name[:NAME_CHARS_MAX], _WRONG, 401)
    attempt = parts.desk.do("attempt", {"name": name})
    if not attempt["ok"]:
        return _form(visit, visit.token, wanted, name, str(attempt["error"]), 429)
    user = parts.store.accounts.user(name)
    right = parts.passwords.right(user.password_hash if user is not None else None, password)
    if user is None or not right:
        if user is not None:
            note = {
                "operator": f"{user.full_name}（{name}）",
                "act": "console.sign_in_failed",
                "subject": name,
                "detail": f"来自 {visit.address}",
            }
            parts.desk.do("note", note)
        return _form(visit, visit.token, wanted, name, _WRONG, 401)
    if user.locked:
        return _form(visit, visit.token, wanted, name, "该用户已停用，请联系信息科", 403)
    return _begin(visit, user, wanted)


def _begin(visit: Visit, user: User, wanted: str) -> Response:
    parts, token = visit.parts, sessions.new_token()
    _close_former(visit)
    arguments = {"name": user.name, "token_hash": sessions.token_hash(token), "address": visit.address}
    opened = parts.desk.do("sign_in", arguments)
    if not opened["ok"]:
        return _form(visit, visit.token, wanted, user.name, str(opened["error"]), 503)
    response = RedirectResponse(_own(wanted), status_code=303)
    _set(visit, response, sessions.COOKIE, token)
    _unset(visit, response, sessions.COOKIE_BEFORE)
    return response


def _close_former(visit: Visit) -> None:
    """What this browser was signed in as before."""
    former = visit.request.cookies.get(sessions.COOKIE, "")
    kept = sessions.token_hash(former)
    session = visit.parts.store.accounts.session(kept) if former else None
    if session is not None:
        visit.parts.desk.do("sign_out", {"name": session.user.name, "token_hash": kept})


def _own(wanted: str) -> str:
    """An address of this console and of nobody else, whatever was asked for."""
    parts = urlsplit(wanted)
    own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return wanted if own and wanted.isprintable() and "\\" not in wanted else "/"


def sign_out(visit: Visit) -> Response:
    """Ends the session here and in the store."""
    assert visit.user is not None
    arguments = {"name": visit.user.name, "token_hash": sessions.token_hash(visit.token)}
    visit.parts.desk.do("sign_out", arguments)
    response = RedirectResponse("/sign-in", status_code=303)
    _unset(visit, response, sessions.COOKIE)
    return response


def password_page(visit: Visit) -> Response:
    """One's own password."""
    return visit.show("account/password.html", error="")


def set_password(visit: Visit) -> Response:
    """Asks for the old one; every other browser of this person must sign in anew."""
    assert visit.user is not None
    user, parts = visit.user, visit.parts
    old, new = visit.form.get("old", ""), visit.form.get("new", "")
    error = parts.passwords.objection(new, user.name)
    if new != visit.form.get("again", ""):
        error = "两次输入的新密码不同"
    elif new == old:
        error = "新密码不能与旧密码相同"
    if not error:
        attempt = parts.desk.do("attempt", {"name": user.name})
        error = "" if attempt["ok"] else str(attempt["error"])
    if not error and not parts.passwords.right(user.password_hash, old):
        error = "旧密码不正确"
    if error:
        return visit.show("account/password.html", 422, error=error)
    arguments = {"operator": user.name, "name": user.name, "password_hash": parts.passwords.make(new)}
    done = parts.desk.do("set_password", arguments)
    if not done["ok"]:
        return visit.show("account/password.html", 503, error=str(done["error"]))
    return _begin(visit, user, "/")


# ------------------------------------------------------------------ helpers


def _form(visit: Visit, token: str, wanted: str, name: str, error: str, status: int = 200) -> Response:
    no_users = not visit.parts.store.accounts.users()
    csrf = sessions.csrf_of(token)
    return visit.show(
        "account/sign_in.html", status, mark=csrf, wanted=wanted, name=name, error=error, no_users=no_users
    )


def _set(visit: Visit, response: Response, cookie: str, value: str) -> None:
    secure = visit.parts.settings.console.https
    response.set_cookie(cookie, value, httponly=True, samesite="lax", secure=secure, path="/")


def _unset(visit: Visit, response: Response, cookie: str) -> None:
    response.delete_cookie(cookie, httponly=True, samesite="lax", secure=visit.parts.settings.console.https, path="/")


AREA: Final = Area(
    name="account",
    pages=(
        Page("GET", "/sign-in", PUBLIC, sign_in_page),
        Page("POST", "/sign-in", PUBLIC, sign_in),
        Page("POST", "/sign-out", SIGNED_IN, sign_out),
        Page("GET", "/password", SIGNED_IN, password_page),
        Page("POST", "/password", SIGNED_IN, set_password),
    ),
)
