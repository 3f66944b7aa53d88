"""用户: who may sign in, as what."""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.passwords import generated
from gateway.console.visit import Visit
from gateway.store.accounts import User

NAME: Final = re.compile(r"[a-z][a-z0-9._-]{1,29}")
FULL_NAME_CHARS_MAX: Final = 30


def users(visit: Visit) -> Response:
    """The list, and the form for a new one."""
    return _shown(visit)


def _shown(visit: Visit, error: str = "", status: int = 200, given: tuple[str, str] | None = None) -> Response:
    from gateway.console.areas import RIGHTS  # it names every area, this one too

    return visit.show(
        "users/users.html",
        status,
        users_listed=visit.parts.store.accounts.users(),
        roles=visit.parts.roles,
        rights=RIGHTS,
        error=error,
        form=visit.form,
        given=given,
    )


def add(visit: Visit) -> Response:
    """A new user with a password that is shown once and must be changed."""
    name, full_name = visit.form.get("name", "").strip(), visit.form.get("full_name", "").strip()
    role = visit.form.get("role", "")
    error = objection(name, full_name) or ("" if role in visit.parts.roles else "没有这个角色")
    if error:
        return _shown(visit, error, 422)
    password = generated()
    kept = visit.parts.passwords.make(password)
    done = visit.do("add_user", name=name, full_name=full_name, role=role, password_hash=kept)
    if not done["ok"]:
        return _shown(visit, str(done["error"]), 409)
    return _shown(visit, given=(name, password))


def objection(name: str, full_name: str) -> str:
    """Why these cannot be the names of a user; empty when they can."""
    if not NAME.fullmatch(name):
        return "用户名以小写字母开头，2 到 30 个字符：小写字母、数字、点、横线、下划线"
    if not full_name or len(full_name) > FULL_NAME_CHARS_MAX or not full_name.isprintable():
        return f"请填写姓名，最多 {FULL_NAME_CHARS_MAX} 个字"
    return ""


def set_password(visit: Visit) -> Response:
    """A new password for another, shown once."""
    user = _user(visit)
    if user is None:
        return _missing(visit)
    password = generated()
    done = visit.do("set_password", name=user.name, password_hash=visit.parts.passwords.make(password))
    return _shown(visit, given=(user.name, password)) if done["ok"] else _shown(visit, str(done["error"]), 409)


def set_role(visit: Visit) -> Response:
    """Another role; the user must sign in anew."""
    user, role = _user(visit), visit.form.get("role", "")
    if user is None:
        return _missing(visit)
    if role not in visit.parts.roles:
        return _shown(visit, "没有这个角色", 422)
    if _is_self(visit, user):
        return _shown(visit, "不能调整自己的角色，请另一位管理员操作", 409)
    done = visit.do("set_role", name=user.name, role=role)
    return _after(visit, done, f"{user.full_name} 的角色已改为 {visit.parts.roles[role].title}。")


def set_locked(visit: Visit) -> Response:
    """Lock or unlock."""
    user, locked = _user(visit), visit.form.get("locked") == "yes"
    if user is None:
        return _missing(visit)
    if _is_self(visit, user):
        return _shown(visit, "不能停用自己", 409)
    done = visit.do("set_locked", name=user.name, locked=locked)
    return _after(visit, done, f"{user.full_name} 已{'停用' if locked else '启用'}。")


def _after(visit: Visit, done: dict[str, object], text: str) -> Response:
    if not done["ok"]:
        return _shown(visit, str(done["error"]), 409)
    visit.say(text)
    return visit.go("/users")


def _is_self(visit: Visit, user: User) -> bool:
    return visit.user is not None and visit.user.name == user.name


def _user(visit: Visit) -> User | None:
    return visit.parts.store.accounts.user(visit.path["name"])


def _missing(visit: Visit) -> Response:
    return visit.show("templates/told.html", 404, title="没有这个用户", text="可能已改名，请回到用户列表。")


AREA: Final = Area(
    name="users",
    pages=(
        Page("GET", "/users", "users.manage", users),
        Page("POST", "/users", "users.manage", add),
        Page("POST", "/users/{name}/password", "users.manage", set_password),
        Page("POST", "/users/{name}/role", "users.manage", set_role),
        Page("POST", "/users/{name}/lock", "users.manage", set_locked),
    ),
    menu=(MenuItem("/users", "用户", "users.manage"),),
    rights={"users.manage": "管理用户"},
)
