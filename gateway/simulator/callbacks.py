"""What a platform calls on the institution: written and signed as the simulated province does it, and sent on demand."""

from __future__ import annotations

import base64
import http.client
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.simulator import sm
from gateway.simulator.faults import FaultWrong
from gateway.simulator.sealing import EnvelopeSealing, GmSealing, Sealing
from gateway.simulator.signature import ApiSigning, KeySigning, Signing, TifSigning, api_digest, digest
from gateway.simulator.wire import encode

CALLBACKS: Final = ("6204", "6302", "7108", "7109")
"""What the platform calls on the institution; nobody calls them here."""
WAIT_S: Final = 10


def composed(
    infno: str, message: Mapping[str, Any], msgid: str, now: datetime, signing: Signing | None, sealing: Sealing | None
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a callback.

    Args:
        message: the national message, its fields in ``data``.
        msgid: of the envelope, where one travels.
        now: the platform's clock.
    """
    headers = {"Content-Type": "application/json; charset=utf-8", **_signed(infno, now, signing)}
    if isinstance(sealing, GmSealing):
        nodes = {name: rows for name, rows in message.items() if name != "data"}
        return headers, encode(sealing.request({**message["data"], **nodes}, now))
    envelope: dict[str, Any] = {"infno": infno, "msgid": msgid, "inf_time": f"{now:%Y-%m-%d %H:%M:%S}"}
    if isinstance(sealing, EnvelopeSealing):
        plain = encode(message)
        envelope |= {
            "input": base64.b64encode(sm.sm4_seal(sealing.key, plain)).decode(),
            "cainfo": base64.b64encode(sm.sign(sealing.private, plain)).decode(),
            "signtype": "SM2",
            "enc_type": "SM4",
        }
        return headers, encode(envelope)
    return headers, encode(envelope | {"input": message})


def post(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """Send it once; status and text of the answer. Raises :class:`FaultWrong` when nobody answers."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise FaultWrong("url 应为 http:// 开头的网关地址")
    line = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=WAIT_S)
    try:
        line.request("POST", parts.path, body, dict(headers))
        response = line.getresponse()
        return response.status, response.read(64 * 1024).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise FaultWrong(f"网关没有答复：{error}") from error
    finally:
        line.close()


def _signed(infno: str, now: datetime, signing: Signing | None) -> dict[str, str]:
    stamp = int(now.timestamp())
    if isinstance(signing, TifSigning):
        account, secret = next(iter(signing.secrets.items()))
        nonce = secrets.token_hex(16)
        values = (account, str(stamp), nonce, digest(str(stamp), secret, nonce))
        return dict(zip(("x-tif-paasid", "x-tif-timestamp", "x-tif-nonce", "x-tif-signature"), values, strict=True))
    if isinstance(signing, ApiSigning):
        account, secret = next(iter(signing.secrets.items()))
        told = {"access_key": account, "name": infno, "timestamp": f"{stamp}000", "version": "1.0.0"}
        signed = told | {"signature": api_digest(told, secret)}
        return {f"_api_{name}": value for name, value in signed.items()}
    return {signing.header: next(iter(signing.keys))} if isinstance(signing, KeySigning) else {}
