"""Sealed envelopes as a platform opens and writes them (transport facts, sections 5 and 8)."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from gateway.simulator import sm
from gateway.simulator.wire import Unreadable, encode, read_object


class Refused(Exception):
    """The front gateway does not let it through; the text is Chinese."""


class Sealing(Protocol):
    """How requests come sealed, and answers go."""

    def unseal(self, envelope: dict[str, Any], path: str, now: datetime) -> dict[str, Any]:
        """The national envelope in what came.

        Args:
            path: last part of the address.
            now: the platform's clock.

        Raises:
            Refused: cannot be opened, or is not signed by whom it should be.
        """
        ...

    def seal(self, answer: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
        """The answer as it goes out; ``plain`` is the request it answers."""
        ...


@dataclass(slots=True)
class EnvelopeSealing:
    """Jilin: ``input`` and ``output`` SM4 and Base64, ``cainfo`` SM3withSM2 over the plain JSON.

    Args:
        public: point of the institution's key.
        private: the platform's own key, in hex.
        key: of SM4, 16 bytes.
    """

    public: str
    private: str
    key: bytes

    def unseal(self, envelope: dict[str, Any], path: str, now: datetime) -> dict[str, Any]:  # noqa: ARG002
        """See :class:`Sealing`."""
        if (envelope.get("signtype"), envelope.get("enc_type")) != ("SM2", "SM4"):
            raise Refused("signtype 应为 SM2，enc_type 应为 SM4")
        plain = _opened(self.key, _base64(envelope.get("input"), "input"))
        if not sm.verifies(self.public, plain, _base64(envelope.get("cainfo"), "cainfo")):
            raise Refused("签名不一致（cainfo）")
        rest = {name: value for name, value in envelope.items() if name != "enc_type"}
        return rest | {"input": _json(plain), "cainfo": ""}

    def seal(self, answer: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """See :class:`Sealing`; a refusal carries no output and stays plain."""
        if answer["output"] is None:
            return dict(answer)
        output = encode(answer["output"])
        return dict(answer) | {
            "output": base64.b64encode(sm.sm4_seal(self.key, output)).decode(),
            "cainfo": base64.b64encode(sm.sign(self.private, output)).decode(),
            "signtype": "SM2",
        }


E_PRESCRIPTION = {
    "uploadChk": "7101",
    "rxFixmedinsSign": "7102",
    "rxFileUpld": "7103",
    "rxUndo": "7104",
    "hospRxDetlQuery": "7105",
    "rxChkInfoQuery": "7106",
    "rxSetlInfoQuery": "7107",
    "circDrugQuery": "7211",
}


@dataclass(slots=True)
class GmSealing:
    """E-prescription: ``encData``, ``signData``, no national envelope.

    Args:
        app_id, app_secret: of the one institution that may call.
        public: point of its key.
        private: the platform's own key, in hex.
        institution: its code, for the envelope that the message lacks.
        window_s: how far ``timestamp`` may be from the platform's clock.
    """

    app_id: str
    app_secret: str
    public: str
    private: str
    institution: str = "H44080000001"
    window_s: int = 600
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _used: set[bytes] = field(default_factory=set)

    @property
    def key(self) -> bytes:
        """Of SM4: half of the hex of the encrypted secret."""
        return sm.sm4_seal(self.app_id.encode()[:16], self.app_secret.encode())[:8].hex().upper().encode()

    def unseal(self, envelope: dict[str, Any], path: str, now: datetime) -> dict[str, Any]:
        """See :class:`Sealing`."""
        if envelope.get("appId") != self.app_id:
            raise Refused("非法用户（appId 未登记）")
        # small letters in one client
        if [str(envelope.get(name) or "").upper() for name in ("encType", "signType")] != ["SM4", "SM2"]:
            raise Refused("encType 应为 SM4，signType 应为 SM2")
        stamp = str(envelope.get("timestamp") or "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) == 13):
            raise Refused("timestamp 应为毫秒级 Unix 时间")
        if abs(int(now.timestamp()) - int(stamp) // 1000) > self.window_s:
            raise Refused(f"时间戳超时（允许前后 {self.window_s} 秒）")
        data = _json(_opened(self.key, _hex(envelope.get("encData"))))
        signature = _base64(envelope.get("signData"), "signData")
        if not sm.verifies(self.public, self._text(envelope, data), signature):
            raise Refused("签名不一致（signData）")
        if signature in self._used:
            raise Refused("请求重复（签名已使用过）")
        self._used.add(signature)
        return self._national(path, data, now)

    def seal(self, answer: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """See :class:`Sealing`."""
        outer: dict[str, Any] = {"appId": self.app_id, "encType": "SM4", "signType": "SM2", "version": "1.0.0"}
        outer |= {"code": answer["infcode"], "message": answer["err_msg"]}
        if answer["output"] is None:
            return outer
        output = dict(answer["output"])
        data = {**output.pop("data", {}), **output}
        signature = sm.sign(self.private, self._text(outer, data))
        return outer | {
            "encData": sm.sm4_seal(self.key, encode(data)).hex().upper(),
            "signData": base64.b64encode(signature).decode(),
        }

    def request(self, data: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """What the platform asks of the institution."""
        outer = {
            "appId": self.app_id,
            "encType": "SM4",
            "signType": "SM2",
            "timestamp": f"{int(now.timestamp())}000",
            "version": "1.0.0",
        }
        signature = sm.sign(self.private, self._text(outer, data))
        return outer | {
            "encData": sm.sm4_seal(self.key, encode(data)).hex().upper(),
            "signData": base64.b64encode(signature).decode(),
        }

    def _text(self, outer: Mapping[str, Any], data: Any) -> bytes:
        parts = {name: value for name, value in outer.items() if name not in ("encData", "signData", "extra")}
        parts["data"] = data
        pairs = ((name, _texts(parts[name])) for name in sorted(parts, key=str.casefold))
        shown = "".join(f"{name}={_compact(value)}&" for name, value in pairs if value)
        return (shown + "key=" + self.app_secret).encode()

    def _national(self, path: str, data: Any, now: datetime) -> dict[str, Any]:
        number = next(self._numbers) % 10_000
        return {
            "infno": E_PRESCRIPTION.get(path, path),
            "msgid": f"{self.institution}{now:%Y%m%d%H%M%S}{number:04d}",
            "mdtrtarea_admvs": "440800",
            "recer_sys_code": "EPC",
            "infver": "1.0.0",
            "opter_type": "3",
            "opter": "epc",
            "opter_name": "电子处方",
            "inf_time": f"{now:%Y-%m-%d %H:%M:%S}",
            "fixmedins_code": self.institution,
            "fixmedins_name": "电子处方机构",
            "input": _nodes(data),
        }


def _nodes(data: Mapping[str, Any]) -> dict[str, Any]:
    """The message with its own fields in ``data``, as the tables of 71xx have it."""
    nodes: dict[str, Any] = {"data": {}}
    for name, value in data.items():
        if isinstance(value, Mapping | list):
            nodes[name] = value
        else:
            nodes["data"][name] = value
    return nodes


def _texts(value: Any) -> Any:
    """Every leaf as text, nothing that is empty, keys in order."""
    if isinstance(value, Mapping):
        named = [(name, _texts(value[name])) for name in sorted(value, key=str.casefold)]
        return {name: item for name, item in named if item}
    if isinstance(value, list):
        return [item for item in (_texts(each) for each in value) if item]
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _compact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _opened(key: bytes, sealed: bytes) -> bytes:
    try:
        return sm.sm4_open(key, sealed)
    except ValueError as error:
        raise Refused(f"解密失败：{error}") from error


def _json(plain: bytes) -> dict[str, Any]:
    try:
        return read_object(plain)
    except Unreadable as error:
        raise Refused(f"解密后不是 JSON 对象：{error}") from error


def _hex(text: Any) -> bytes:
    try:
        return bytes.fromhex(str(text or ""))
    except ValueError as error:
        raise Refused("encData 不是十六进制") from error


def _base64(text: Any, name: str) -> bytes:
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(f"{name} 不是 Base64") from error
