"""The 国密 envelope of e-prescription and mobile pay: ``encData`` SM4, ``signData`` SM3withSM2, no national envelope."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from adapters.settlement.signing.sm import Sm2PrivateKey, Sm2PublicKey, from_base64, sm4_open, sm4_seal
from gateway.contract.jsontext import dumps, loads
from gateway.faults import Unreadable

PATHS: Final = {
    "7101": "uploadChk",
    "7102": "rxFixmedinsSign",
    "7103": "rxFileUpld",
    "7104": "rxUndo",
    "7105": "hospRxDetlQuery",
    "7106": "rxChkInfoQuery",
    "7107": "rxSetlInfoQuery",
    "7211": "circDrugQuery",
    "D001": "uploadChk",
    "D002": "rxFixmedinsSign",
    "D003": "rxFileUpld",
    "D004": "rxUndo",
    "D005": "hospRxDetlQuery",
    "D006": "rxChkInfoQuery",
    "D007": "rxSetlInfoQuery",
    "D008": "circDrugQuery",
}
"""Below ``.../epc/api/fixmedins``."""

_NOT_SIGNED: Final = ("encData", "signData", "extra")
_EMPTY: Final[tuple[Any, ...]] = (None, "", {}, [])


def sm4_key_of(app_id: str, app_secret: str) -> bytes:
    """The key of ``encData``: first 16 characters of upper-case hex of SM4(first 16 bytes of app_id, app_secret)."""
    return sm4_seal(app_id.encode()[:16], app_secret.encode()).hex().upper()[:16].encode()


def sign_text(parts: Mapping[str, Any], app_secret: str) -> bytes:
    """What ``signData`` signs.

    Args:
        parts: of the outer message, with the plain business object as ``data``.
        app_secret: appended as ``key``.
    """
    kept = {name: _cleaned(value) for name, value in parts.items() if name not in _NOT_SIGNED}
    pieces = [f"{name}={_flat(kept[name])}&" for name in sorted(kept, key=str.lower) if kept[name] not in _EMPTY]
    return f"{''.join(pieces)}key={app_secret}".encode()


class GmEnvelope:
    """Carries the business object of a national message, and brings the answer back into the national envelope.

    Args:
        app_id: issued by the platform, at least 16 bytes.
        app_secret: issued with it.
        private_key: the institution's.
        platform_key: verifies answers; None where the platform's key is not known.
        clock: Unix time in seconds.

    Raises:
        ValueError: identity or secret cannot work.
    """

    def __init__(
        self,
        app_id: str,
        app_secret: str,
        private_key: Sm2PrivateKey,
        platform_key: Sm2PublicKey | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if len(app_id.encode()) < 16 or not app_secret:
            raise ValueError("国密报文需要 app_id（至少 16 字节）与 app_secret")
        self._app_id = app_id
        self._app_secret = app_secret
        self._sm4_key = sm4_key_of(app_id, app_secret)
        self._private_key = private_key
        self._platform_key = platform_key
        self._clock = clock

    def seal(self, body: bytes) -> bytes:
        """The outer message. Raises ValueError when ``body`` is no national envelope."""
        data, _ = _business(loads(body))
        outer = {
            "appId": self._app_id,
            "version": "1.0.0",
            "encType": "SM4",
            "signType": "SM2",
            "timestamp": str(int(self._clock() * 1000)),
        }
        signature = self._private_key.sign(sign_text({**outer, "data": data}, self._app_secret))
        sealed = sm4_seal(self._sm4_key, dumps(data)).hex().upper()
        return dumps({**outer, "encData": sealed, "signData": base64.b64encode(signature).decode()})

    def open(self, body: bytes, answer: bytes) -> bytes:
        """The answer in the national envelope. What is no such answer is handed on: the envelope's reader refuses it.

        Raises:
            ValueError: a success that cannot be decrypted or is not signed as agreed.
        """
        try:
            outer = loads(answer)
        except Unreadable:
            return answer
        if not isinstance(outer, dict) or "code" not in outer:
            return answer
        message = str(outer.get("message") or "")
        if str(outer["code"]) != "0":
            return dumps(
                {"infcode": str(outer["code"]) or "-1", "inf_refmsgid": "", "err_msg": message, "output": None}
            )
        _, in_node = _business(loads(body))
        output = _national(self._data(outer), in_node)
        return dumps({"infcode": "0", "inf_refmsgid": "", "err_msg": message, "output": output})

    def _data(self, outer: Mapping[str, Any]) -> Any:
        try:
            sealed = _from_hex(str(outer.get("encData") or ""))
            data = loads(sm4_open(self._sm4_key, sealed)) if sealed else None
        except Unreadable as error:
            raise ValueError("解密后的 encData 不是 JSON") from error
        if self._platform_key is not None:
            text = sign_text({**outer, "data": data}, self._app_secret)
            if not self._platform_key.verifies(text, from_base64(str(outer.get("signData") or ""), "signData ")):
                raise ValueError("签名（signData）不符")
        return data

    def open_request(self, outer: Mapping[str, Any]) -> dict[str, Any]:
        """The business object that the platform sent us.

        Raises:
            ValueError: not for us, not encrypted, or not signed by the platform, whose key must be known here.
        """
        if self._platform_key is None:
            raise ValueError("没有配置平台的 SM2 公钥，不能核对来源")
        if outer.get("appId") != self._app_id:
            raise ValueError("appId 不符")
        data = self._data(outer)
        if not isinstance(data, dict):
            raise ValueError("encData 中没有内容")  # noqa: TRY004 - what came is wrong, not the program
        return data

    def seal_answer(self, output: Any) -> bytes:
        """Our positive answer to what the platform sent."""
        data, _ = _business({"input": output})
        outer = {
            "appId": self._app_id,
            "code": "0",
            "message": "成功",
            "version": "1.0.0",
            "encType": "SM4",
            "signType": "SM2",
            "timestamp": str(int(self._clock() * 1000)),
        }
        signature = self._private_key.sign(sign_text({**outer, "data": data}, self._app_secret))
        sealed = sm4_seal(self._sm4_key, dumps(data)).hex().upper()
        return dumps({**outer, "encData": sealed, "signData": base64.b64encode(signature).decode()})


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise ValueError("encData 不是十六进制") from error


def _business(envelope: Any) -> tuple[dict[str, Any], bool]:
    """The business object of a national message, and whether its own fields stood in a node ``data``.

    7101 and D001 are one message: in the first the fields stand in ``data`` beside the other nodes, in the second
    they stand where the nodes stand, and that is how it travels.
    """
    message = envelope.get("input") if isinstance(envelope, dict) else None
    if not isinstance(message, dict):
        raise ValueError("报文没有 input")  # noqa: TRY004 - what was written is wrong, not the program
    own = message.get("data")
    if not isinstance(own, dict):
        return message, False
    return {**own, **{node: rows for node, rows in message.items() if node != "data"}}, True


def _national(data: Any, in_node: bool) -> Any:
    """The output of an answer: own fields in ``data`` where those of the request stood there."""
    if not in_node or not isinstance(data, dict):
        return data
    nodes = {name: value for name, value in data.items() if isinstance(value, dict | list)}
    return {"data": {name: value for name, value in data.items() if name not in nodes}, **nodes}


def _cleaned(value: Any) -> Any:
    """Without what is empty, keys sorted, every leaf a text."""
    if isinstance(value, dict):
        pairs = ((name, _cleaned(value[name])) for name in sorted(value, key=str.lower))
        return {name: item for name, item in pairs if item not in _EMPTY}
    if isinstance(value, list):
        return [item for item in map(_cleaned, value) if item not in _EMPTY]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return "" if value is None else str(value)


def _flat(value: Any) -> str:
    return dumps(value).decode() if isinstance(value, dict | list) else str(value)
