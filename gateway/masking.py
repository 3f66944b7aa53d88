"""Personal data and secrets out of anything that is about to be logged, whatever its shape.

Two nets: what stands under a telling name (``certno``, ``psn_name``, ``tel`` ..., in any spelling) is masked by kind;
what looks like an identity number, card, mobile number, password or key is masked wherever it stands.
Masks keep enough to recognise: ``440102********1234``, ``138****5678``, ``张**``, ``1980-**-**``.
Numbers of the exchange itself (``msgid``, ``inf_refmsgid``, ``mdtrt_id``, ``setl_id``) stay: they are what one searches by.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, MutableMapping
from decimal import Decimal
from enum import Enum
from typing import Any

TEXT_CHARS_MAX = 16 * 1024
"""Longer texts are cut: a log is no place for a payload, and masking must stay cheap."""
ITEMS_MAX = 200
DEPTH_MAX = 12

# ------------------------------------------------------------------ by look

_TIME = r"20[2-9]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
_OWN = rf"(?<![0-9A-Za-z])(?:[A-Z][0-9A-Z]{{11}}{_TIME}\d{{4}}|\d{{6}}{_TIME}\d{{10}})(?![0-9A-Za-z])"
_GROUPED = r"\d{6}[ -]\d{8}[ -]\d{3}[\dXx]|\d{4}(?:[ -]\d{4}){3}(?:[ -]?\d{1,7})?"
_RUN = r"\d{15,}[Xx]?"
_MOBILE = r"(?<!\d)(?:(?:00)?86[ -]?)?1[3-9]\d(?:\d{8}|[ -]\d{4}[ -]\d{4})(?!\d)"
_NUMBERS = re.compile(rf"(?P<own>{_OWN})|(?P<long>{_GROUPED}|{_RUN})|(?P<mobile>{_MOBILE})")

_BASE64 = re.compile(r"[A-Za-z0-9+/]{80,}={0,2}")
_SCHEME = re.compile(r"\b(Bearer|Basic|Digest)(\s+)[^\s\"'<>,;]{4,}", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)")

# ------------------------------------------------------------------ by name

Mask = Callable[[str], str]


def _hide(text: str) -> str:
    return "***" if text else text


def mask_name(text: str) -> str:
    """``张三丰`` -> ``张**``."""
    return text[:1] + "*" * min(len(text) - 1, 3) if len(text) > 1 else "*" * len(text)


def mask_number(text: str) -> str:
    """``440102198001011234`` -> ``440102********1234``; short ones keep less."""
    size = len(text)
    if size >= 16:
        return text[:6] + "*" * min(size - 10, 12) + text[-4:]
    if size >= 15:
        return text[:6] + "******" + text[-3:]
    return text[: size // 4] + "*" * (size - size // 4 - size // 5) + text[size - size // 5 :]


def mask_phone(text: str) -> str:
    """``13812345678`` -> ``138****5678``."""
    return text[:3] + "****" + text[-4:] if len(text) >= 11 else _hide(text)


def _mask_birth(text: str) -> str:
    return text[:4] + "-**-**" if len(text) >= 8 else _hide(text)


def _mask_address(text: str) -> str:
    return text[:3] + "***" if len(text) > 6 else _hide(text)


_HIDDEN = r"password|passwd|pwd|secret|apikey|accesskey|signature|authorization|credential|cookie|token|sessionid|privatekey|口令|密码|密钥|令牌"
_PERSON = (
    r"psn|person|patn|patient|coner|agnter|opter|operator|user|oper|crter|resper|appler|dr|doc|dor|doctor|pdr|phar|nurs"
    r"|deptdrt|codr|chker|ptr|delver|dspeer|asit|stte|lmtr|rgter"
)
_KINDS: list[tuple[re.Pattern[str], Mask]] = [
    (re.compile(_HIDDEN), _hide),
    (re.compile(r"(cert|id|card)(no|sn|num|number|code)$|^(certno|idcard|sscno|card)|idcard$|sscno$|authno$|^(sfzh?|sfzhm|kh|ybkh|ylzh)$|身份证|证件号|卡号|卡识别码"), mask_number),
    (re.compile(r"(?<!net)(tel|mob|mobile|phone|telephone)(no|num)?$|^(lxdh|dh|sjh|sjhm)$|电话|手机"), mask_phone),
    (re.compile(rf"(?:{_PERSON})(?:user)?\d?name\d?$|^(xm|brxm|hzxm|lxrxm|fullname|realname)$|姓名|联系人$"), mask_name),
    (re.compile(r"(addr|address|housnum|vil|email|birplc)$|^(dz|jtzz|jtdz|lxdz)$|地址|住址|邮箱"), _mask_address),
    (re.compile(r"^(brdy|birthday|birthdate|dob|csrq)$|brdy$|出生日期|生日"), _mask_birth),
    (re.compile(r"(_|^)pic$|cainfo$|signdata$|encdata$|origfile|rxfile$|照片"), _hide),
]  # fmt: skip
_STAYS = re.compile(r"^(mdtrt_?id|setl_?id|init_?setl_?id|exchange_?id|trace_?id|request_?id)$", re.IGNORECASE)
"""Numbers of the exchange: long, but not personal. An identity number put there by mistake is masked all the same."""
_NOT_PERSONAL = re.compile(
    r"type$|(remote|peer|client|mac|server|listen|public|bind)addr(ess)?$|^(client|log|logger|file|node|host|dept|medins|fixmedins)name$"
)
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_IDENTITY = re.compile(rf"[1-9]\d{{5}}(?:1[89]|20)\d\d{_DAY}\d{{3}}[\dXx]|(?<!\d)[1-9]\d{{7}}{_DAY}\d{{3}}(?!\d)")
"""An identity number of 18 places anywhere, of 15 digits (before 1999) where it stands alone."""

_kind_of: dict[str, Mask | None] = {}
_masked_keys: dict[str, str] = {}
_telling_nothing: set[str] = set()
"""Keys of events under which a value is masked by its look alone."""
_KINDS_KNOWN_MAX = 4096


def kind(key: str) -> Mask | None:
    """How the value under ``key`` is masked, None when the name says nothing. Case, ``_``, ``-`` do not matter."""
    if key in _kind_of:
        return _kind_of[key]
    found = _kind(re.sub(r"[\s_\-.:]", "", key.rpartition(":")[2] or key).lower())
    if len(_kind_of) < _KINDS_KNOWN_MAX:  # names come from strangers
        _kind_of[key] = found
    return found


def _kind(name: str) -> Mask | None:
    if _NOT_PERSONAL.search(name):
        return None
    return next((mask for pattern, mask in _KINDS if pattern.search(name)), None)


# ------------------------------------------------------------------ texts that carry names

_KEY = r"[^\W\d][\w.\-]{1,40}"
_ELEMENT = re.compile(
    rf"(?P<open>(?:<|&lt;)(?:\w+:)?(?P<key>{_KEY})(?:\s[^<>]{{0,200}}?)?(?:>|&gt;)(?:<!\[CDATA\[)?)"
    r"(?P<value>(?:[^<>&]|&#\w{1,7};){1,500})(?=<|&lt;|&amp;|\]\]>)"
)
_QUOTED = re.compile(
    rf"(?P<open>(?P<key>{_KEY})\\*[\"']?\s{{0,3}}[:=]\s{{0,3}}(?P<quote>\\*[\"']))"
    r"(?P<value>(?!(?P=quote))(?:\\.|[^\\]){1,2000}?)(?=(?P=quote))",
    re.DOTALL,
)
_BARE = re.compile(
    rf"(?P<open>(?P<key>{_KEY})\\*[\"']?\s{{0,3}}[:=：]\s{{0,3}})(?P<value>[^\s\"'\\<>&,;，；}}\])]{{1,200}})"
)


def _by_name(found: re.Match[str]) -> str:
    mask = kind(found["key"])
    return found["open"] + mask(found["value"]) if mask else found[0]


def _by_look(found: re.Match[str]) -> str:
    if found["own"]:
        return found[0]
    return mask_number(found[0]) if found["long"] else mask_phone(found[0])


_NOTHING_TO_MASK = re.compile(
    r"(?=(?:\D*\d){0,10}\D*\Z)[\w./\-]{0,64}"
    rf"|{_OWN}"
    r"|20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}[+-]\d\d:\d\d"
)
"""What no pattern below can find anything in: a word of at most ten digits, a ``msgid``, the time of the event.

Nearly every value of the gateway's own lines is one of these, and each pattern costs microseconds.
"""


def mask_text(text: str) -> str:
    """``text`` without personal data: XML, JSON and ``key=value`` fragments in it are masked by name, the rest by look."""
    if _NOTHING_TO_MASK.fullmatch(text):
        return text
    return _mask_text(_cut(text))


def _mask_text(text: str) -> str:
    text = _SCHEME.sub(r"\1\2***", text)
    text = _URL_PASSWORD.sub(r"\1***", text)
    for pattern in (_ELEMENT, _QUOTED, _BARE):
        text = pattern.sub(_by_name, text)
    text = _BASE64.sub(lambda found: f"<base64 {len(found[0])}>", text)
    return _NUMBERS.sub(_by_look, text)


def _cut(text: str) -> str:
    if len(text) <= TEXT_CHARS_MAX:
        return text
    # half a number at the edge would no longer look like one
    kept = re.sub(r"[\w \-]{1,64}\Z", "", text[:TEXT_CHARS_MAX])
    return f"{kept}…（共 {len(text)} 字符）"


# ------------------------------------------------------------------ values


def mask_value(key: str, value: Any, depth: int = 0) -> Any:
    """``value`` as it may be logged under ``key``: only plain JSON types come back.

    Mappings and sequences are followed to :data:`DEPTH_MAX`; what stands in a list under a telling name is masked by
    that name.
    """
    if value is None or isinstance(value, (bool, float)):
        return value
    if depth > DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        return _mask_mapping(value, depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _mask_items(key, value, depth)
    if isinstance(value, int) and not isinstance(value, Enum) and abs(value) < 10**10 and not kind(key):
        return value
    return _mask_leaf(key, _text(value))


def mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The structlog processor: the last one before rendering."""
    masked: dict[str, Any] = {}
    for key, value in event.items():
        form = type(value)
        # most of a line is this, and the long way would come to the same: its length is as much as all the rest of a line
        if key in _telling_nothing and (
            (form is str and _NOTHING_TO_MASK.fullmatch(value)) or form is float or form is bool or value is None
        ):
            masked[key] = value
        else:
            masked[_mask_key(key)] = mask_value(str(key), value)
            _learn(key)
    return masked


def _learn(key: object) -> None:
    """Remember a key that is no name of anything personal and holds nothing personal itself."""
    if type(key) is str and len(_telling_nothing) < _KINDS_KNOWN_MAX and _mask_key(key) == key and kind(key) is None:
        _telling_nothing.add(key)


def _mask_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    pairs = list(value.items())
    masked = {_mask_key(key): mask_value(str(key), item, depth + 1) for key, item in pairs[:ITEMS_MAX]}
    if len(pairs) > ITEMS_MAX:
        masked["…"] = f"共 {len(pairs)} 项"
    return masked


def _mask_items(key: str, value: Any, depth: int) -> list[Any]:
    items = list(value)
    masked = [mask_value(key, item, depth + 1) for item in items[:ITEMS_MAX]]
    return masked if len(items) <= ITEMS_MAX else [*masked, f"… 共 {len(items)} 项"]


def _mask_key(key: object) -> str:
    text = _text(key)
    masked = _masked_keys.get(text)
    if masked is None:
        masked = mask_text(text)
        if len(text) <= 64 and len(_masked_keys) < _KINDS_KNOWN_MAX:
            _masked_keys[text] = masked
    return masked


def _mask_leaf(key: str, text: str) -> str:
    mask = kind(key)
    if mask:
        return mask_text(mask(text))
    if _STAYS.match(key) and re.fullmatch(r"[\w.:\-]{1,64}", text) and not _IDENTITY.search(text):
        return text
    return mask_text(text)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _decoded(bytes(value))
    if isinstance(value, (int, Decimal)):
        return format(value, "f") if isinstance(value, Decimal) else str(int(value))
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    try:
        return str(value)
    except Exception:  # a log call must never be what fails
        return f"<{type(value).__name__}>"


def _decoded(data: bytes) -> str:
    data = data[: TEXT_CHARS_MAX * 4]
    for charset in ("utf-8", "gb18030") if data.count(0) * 4 < len(data) else ("utf-16",):
        try:
            return data.decode(charset)
        except UnicodeDecodeError:
            continue
    return data.replace(b"\0", b"").decode("utf-8", "replace")
