"""Who may sign in to the demo's console: one person of each role, with one password made anew for each run."""

from __future__ import annotations

from typing import Final

from gateway import clock
from gateway.console.passwords import Passwords, generated
from gateway.demo.place import Place
from gateway.protect import source_of
from gateway.store import open_store
from gateway.store.accounts import User

INSURANCE: Final = "li"
INFORMATION: Final = "wang"
STAFF: Final = (
    (INFORMATION, "王工", "it"),
    (INSURANCE, "李主任", "insurance"),
    ("zhang", "张收费", "cashier"),
    ("chen", "陈医生", "ward"),
    ("liu", "刘药师", "pharmacy"),
    ("zhao", "赵科长", "operations"),
    ("sun", "孙审计", "auditor"),
    ("gao", "高工", "vendor"),
)


def hire(place: Place) -> str:
    """Write them into the store before the gateway opens it; the password, empty when users are there already.

    Raises:
        StoreError: the store cannot be opened.
    """
    store = open_store(place.store_url, node="demo", keys=source_of(place.keys))
    try:
        store.upgrade()
        if store.accounts.users():
            return ""
        password = generated()
        kept, now = Passwords().make(password), clock.now()
        for name, full_name, role in STAFF:
            store.accounts.add(User(name, full_name, role, kept, now))
        return password
    finally:
        store.close()
