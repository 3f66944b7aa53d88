"""Where a run lives: its folder, its ports, its configuration. Whatever differs from the configuration is said."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from gateway.mappings import data_root
from gateway.protect import Cipher, KeyFile, new_file
from gateway.settings import Listener, Settings, read_settings, sources
from gateway.store import StoreError, open_store

FOLDER: Final = Path("var/demo")
PREVIOUS: Final = "previous"
_LOCK: Final = "demo.lock"
_ADDRESS, _PLATFORM = "listen.exchange.address", "platform.url"
_CONSOLE = "console.listen.address"
_STORE, _LOG, _KEYS = "store.url", "log.file", "protect.keys"
_HIS: Final = "his.url"
_DIP: Final = "jobs.dip_differences.file"
_KEY_FILE: Final = "keys.toml"
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound


class DemoError(Exception):
    """The demo cannot run; the Chinese text says why and what to set."""


@dataclass(frozen=True, slots=True)
class Place:
    """Everything a run needs to know about its surroundings.

    ``environment`` holds the ``YIBAO_...`` settings that the gateway gets beside ``config``; ``notes`` are for people.
    """

    folder: Path
    config: Path
    settings: Settings
    environment: dict[str, str]
    gateway_url: str
    admin_url: str
    simulator_url: str
    console_url: str
    """Empty when the configuration has no console."""
    store_url: str
    his_url: str
    """Of the hospital's own records, which the demo makes; empty when it does not."""
    dip_file: Path | None
    """What the hospital's DIP system writes, likewise."""
    keys: str
    log_file: Path | None
    notes: tuple[str, ...]

    @property
    def mappings(self) -> Path:
        return data_root() / "mappings"


@contextmanager
def find_place(config: Path | None) -> Iterator[Place]:
    """Settings, free ports, and a folder that nobody else uses until the end of the block.

    Args:
        config: TOML file; None takes ``conf/demo.toml`` of this installation.

    Raises:
        DemoError: the configuration is none for a demo, or what it sets explicitly cannot be had.
        SettingsError: the configuration is wrong.
    """
    path = (config or data_root() / "conf" / "demo.toml").absolute()
    settings = read_settings(path)
    _check_demo(settings, path)
    fixed = _fixed(path)
    notes: list[str] = []
    with ExitStack() as held:
        folder = _folder(held, notes)
        platform_url = _platform_url(settings, fixed, notes)
        listener = _listener(settings, fixed, notes, besides=urlsplit(platform_url).port or 80)
        console = _console(settings, fixed, notes, besides=(listener.port, urlsplit(platform_url).port or 80))
        store_url = settings.store.url if _STORE in fixed else _sqlite_meant(settings.store.url, folder / "yibao.db")
        log_file = settings.log.file if _LOG in fixed else _meant(settings.log.file, folder / "yibao.log")
        keys = settings.protect.keys if _KEYS in fixed else _keys(settings, folder / _KEY_FILE)
        made = settings.his.url.startswith("sqlite:") and _HIS not in fixed
        his_url = _sqlite_meant(settings.his.url, folder / "his.db") if made else settings.his.url
        dip = settings.jobs.dip_differences.file
        dip_file = None if dip is None or _DIP in fixed else _meant(dip, folder / "dip.csv")
        wanted = {_ADDRESS: listener.address, _PLATFORM: platform_url, _STORE: store_url, _LOG: str(log_file or ""),
                  _KEYS: keys, _CONSOLE: console.address, _HIS: his_url, _DIP: _undated(dip_file) if dip_file else str(dip or "")}  # fmt: skip
        configured = {_ADDRESS: settings.listen.exchange.address, _PLATFORM: settings.platform.url,
                      _STORE: settings.store.url, _LOG: str(settings.log.file or ""),
                      _KEYS: settings.protect.keys, _CONSOLE: settings.console.listen.address,
                      _HIS: settings.his.url, _DIP: str(dip or "")}  # fmt: skip
        yield Place(
            folder=folder,
            config=path,
            settings=settings,
            environment={_variable(name): value for name, value in wanted.items() if value != configured[name]},
            gateway_url=_url(listener),
            admin_url=_url(settings.listen.admin or listener),
            simulator_url=f"http://{urlsplit(platform_url).netloc}",
            console_url=_url(console) if settings.console.enabled else "",
            store_url=store_url,
            his_url=his_url if made else "",
            dip_file=dip_file,
            keys=keys,
            log_file=log_file,
            notes=tuple(notes),
        )


def _check_demo(settings: Settings, path: Path) -> None:
    """Never with a production configuration, and never against a real platform."""
    if settings.production:
        raise DemoError(f"{path} 是生产配置；演示请用 production = false 的配置，或不带 --config")
    host = urlsplit(settings.platform.url).hostname or ""
    if not Listener(address=f"{host}:1").loopback:
        raise DemoError(
            f"platform.url 为 {settings.platform.url}；演示只与本机的模拟平台交易，请设为 http://127.0.0.1:8090"
        )
    if settings.platform.url.startswith("https:") or settings.listen.exchange.tls:
        raise DemoError("演示不用 TLS：请去掉 listen.exchange.tls，platform.url 用 http://")
    if not any(client.open for client in settings.clients):
        raise DemoError(f"{path} 没有 open = true 的客户端，演示的客户端无从表明身份")


def _fixed(path: Path) -> set[str]:
    """Settings that the environment gives: the user means them, so the demo takes them or stops."""
    given = [name for name, source in sources(path).items() if source.startswith("environment")]
    return {
        name
        for name in (_ADDRESS, _PLATFORM, _STORE, _LOG, _KEYS, _CONSOLE, _HIS, _DIP)
        if any(name == one or name.startswith(f"{one}.") for one in given)
    }


def _variable(name: str) -> str:
    return "YIBAO_" + name.upper().replace(".", "__")


def _sqlite_meant(configured: str, path: Path) -> str:
    """The database at ``path``, in the configuration's own words when it means that one."""
    meant = _sqlite(Path(configured.removeprefix("sqlite:///")).absolute()) if configured.startswith("sqlite:") else ""
    return configured if meant == _sqlite(path) else _sqlite(path)


def _meant(configured: Path | None, path: Path) -> Path:
    """The file at ``path``, likewise."""
    return configured if configured is not None and configured.absolute() == path else path


def _undated(file: Path) -> str:
    """A name in which no sign stands for a date."""
    return str(file).replace("%", "%%")


def _keys(settings: Settings, path: Path) -> str:
    """Fresh keys at ``path``, in the configuration's own words when it means that file; nothing where it wants none."""
    configured = settings.protect.keys
    if not configured:
        return ""
    if not path.exists():
        new_file(path, Cipher(settings.protect.cipher))
    meant = Path(configured.removeprefix("file:")).absolute() if configured.startswith("file:") else None
    return configured if meant == path else f"file:{path}"


def _sqlite(path: Path) -> str:
    return f"sqlite:///{quote(path.as_posix(), safe='/:')}"


# ------------------------------------------------------------------ folder


def _folder(held: ExitStack, notes: list[str]) -> Path:
    """``var/demo`` under the current folder, emptied, or a temporary folder when that one is not to be had."""
    folder = FOLDER.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.enter_context(_locked(folder))
        _put_aside(folder, notes)
    except OSError as error:
        reason = f"{error.strerror or error}"
    except sqlite3.Error as error:
        reason = "另一个演示正在使用" if error.sqlite_errorname == "SQLITE_BUSY" else f"不可写：{error}"
    except StoreError as error:
        reason = str(error)
    else:
        return folder
    other = Path(tempfile.mkdtemp(prefix="yibao-demo-"))
    notes.append(f"{FOLDER} 不可用（{reason}），本次数据放在 {other}")
    return other


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder; SQLite's own file lock works on every system and ends with the process, however it ends."""
    with closing(sqlite3.connect(folder / _LOCK, timeout=0, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _put_aside(folder: Path, notes: list[str]) -> None:
    """Move what a run before has left to ``previous``; raises StoreError when its store is still in use."""
    if not _left(folder):
        return
    if (folder / "yibao.db").exists():
        # whoever opens it for writing is the only one: a gateway started by hand keeps its store
        keys = KeyFile(folder / _KEY_FILE) if (folder / _KEY_FILE).exists() else None
        open_store(_sqlite(folder / "yibao.db"), node="demo", keys=keys).close()
    aside = folder / PREVIOUS
    replaced = aside.exists()
    if replaced:
        shutil.rmtree(aside)
    aside.mkdir()
    for path in _left(folder):  # looked for anew: opening the store tidies up its side files
        # and they may go away by themselves when the last reader does
        with suppress(FileNotFoundError):
            path.rename(aside / path.name)
    notes.append(f"上次演示的数据已移到 {FOLDER / PREVIOUS}" + ("，更早的一份已删除" if replaced else ""))


def _left(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != PREVIOUS and not path.name.startswith(_LOCK)]


# ------------------------------------------------------------------ ports


def _platform_url(settings: Settings, fixed: set[str], notes: list[str]) -> str:
    parts = urlsplit(settings.platform.url)
    host, port = parts.hostname or "", parts.port or 80
    if _is_free(host, port):
        return settings.platform.url
    free = _another(host, port, _PLATFORM, fixed, notes, what="模拟平台", besides=settings.listen.exchange.port)
    return parts._replace(netloc=_netloc(host, free)).geturl()


def _listener(settings: Settings, fixed: set[str], notes: list[str], *, besides: int) -> Listener:
    listener = settings.listen.exchange
    if _is_free(listener.host, listener.port) and listener.port != besides:
        return listener
    free = _another(listener.host, listener.port, _ADDRESS, fixed, notes, what="网关", besides=besides)
    return Listener(address=_netloc(listener.host, free))


def _console(settings: Settings, fixed: set[str], notes: list[str], *, besides: tuple[int, ...]) -> Listener:
    listener = settings.console.listen
    if not settings.console.enabled or (_is_free(listener.host, listener.port) and listener.port not in besides):
        return listener
    free = _another(listener.host, listener.port, _CONSOLE, fixed, notes, what="控制台", besides=besides[0])
    return Listener(address=_netloc(listener.host, free))


def _another(host: str, port: int, setting: str, fixed: set[str], notes: list[str], *, what: str, besides: int) -> int:
    """A free port in place of one that is taken. Raises DemoError when the environment asked for that one."""
    if setting in fixed:
        raise DemoError(f"{what}的端口 {port} 已被占用；请改 {_variable(setting)}，或停掉占用它的程序")
    free = _free_port(host)
    while free == besides:
        free = _free_port(host)
    notes.append(f"{what}的端口 {port} 已被占用，改用 {free}；要指定端口请设 {_variable(setting)}")
    return free


def _is_free(host: str, port: int) -> bool:
    try:
        with _bound(host, port):
            return True
    except OSError:
        return False


def _free_port(host: str) -> int:
    try:
        with _bound(host, 0) as taken:
            return int(taken.getsockname()[1])
    except OSError as error:
        raise DemoError(f"无法在 {host} 上监听：{error.strerror or error}") from None


def _bound(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(listener: Listener) -> str:
    """Where this machine reaches a listener."""
    scheme = "https" if listener.tls else "http"
    return f"{scheme}://{_netloc(_ANYWHERE.get(listener.host, listener.host), listener.port)}"
