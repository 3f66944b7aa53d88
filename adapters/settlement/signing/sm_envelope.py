"""The national envelope with a signed and encrypted input (Jilin): ``cainfo`` SM2, ``input`` and ``output`` SM4."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from adapters.settlement.signing.sm import Sm2PrivateKey, Sm2PublicKey, from_base64, sm4_open, sm4_seal
from gateway.contract.jsontext import dumps, loads
from gateway.faults import Unreadable

_KEY_BYTES = 16


class SmEnvelope:
    """Seals ``input`` and opens ``output``; the head stays readable.

    Args:
        private_key: the institution's; signs the compact JSON of the plain input.
        sm4_key: 16 characters; in Jilin the client id.
        platform_key: verifies ``cainfo`` of answers; None where the province signs none.
        sealed_answers: whether outputs come encrypted; switched per hospital.

    Raises:
        ValueError: the key has another length.
    """

    def __init__(
        self,
        private_key: Sm2PrivateKey,
        sm4_key: str,
        platform_key: Sm2PublicKey | None = None,
        *,
        sealed_answers: bool = True,
    ) -> None:
        self._sm4_key = sm4_key.encode()
        if len(self._sm4_key) != _KEY_BYTES:
            raise ValueError("SM4 密钥应为 16 个字节")
        self._private_key = private_key
        self._platform_key = platform_key
        self._sealed_answers = sealed_answers

    def seal(self, body: bytes) -> bytes:
        """The envelope with its input encrypted and signed. Raises ValueError when ``body`` is no envelope."""
        envelope = loads(body)
        if not isinstance(envelope, dict) or "input" not in envelope:
            raise ValueError("报文没有 input")
        plain = dumps(envelope["input"])
        return dumps(
            envelope
            | {
                "cainfo": base64.b64encode(self._private_key.sign(plain)).decode(),
                "signtype": "SM2",
                "enc_type": "SM4",
                "input": base64.b64encode(sm4_seal(self._sm4_key, plain)).decode(),
            }
        )

    def open(self, body: bytes, answer: bytes) -> bytes:  # noqa: ARG002 - the port's signature
        """The answer with a readable output. What is no envelope is handed on: its reader refuses it.

        Raises:
            ValueError: a success that is not encrypted as agreed, cannot be decrypted, or is not signed as agreed.
        """
        try:
            envelope = loads(answer)
        except Unreadable:
            return answer
        if not isinstance(envelope, dict) or not envelope.get("output"):
            return answer
        plain = self._plain(envelope["output"])
        self._check(envelope, plain)
        return dumps(envelope | {"output": _parsed(plain)})

    def open_request(self, envelope: Mapping[str, Any]) -> dict[str, Any]:
        """What the platform asked of us, with a readable input.

        Raises:
            ValueError: not encrypted, or not signed by the platform, whose key must be known here.
        """
        if self._platform_key is None:
            raise ValueError("没有配置平台的 SM2 公钥，不能核对来源")
        sealed = envelope.get("input")
        if not isinstance(sealed, str):
            raise ValueError("input 没有加密，与约定不符")  # noqa: TRY004 - the platform's wrong, not the program's
        plain = sm4_open(self._sm4_key, from_base64(sealed, "input "))
        self._check(envelope, plain)
        return {**envelope, "input": _parsed(plain)}

    def _plain(self, output: Any) -> bytes:
        if not self._sealed_answers:
            return dumps(output)
        if not isinstance(output, str):
            raise ValueError("output 没有加密，与约定不符")  # noqa: TRY004 - the platform's wrong, not the program's
        return sm4_open(self._sm4_key, from_base64(output, "output "))

    def _check(self, envelope: Mapping[str, Any], plain: bytes) -> None:
        if self._platform_key is None:
            return
        if not self._platform_key.verifies(plain, from_base64(str(envelope.get("cainfo") or ""), "cainfo ")):
            raise ValueError("签名（cainfo）不符")


def _parsed(plain: bytes) -> Any:
    try:
        return loads(plain)
    except Unreadable as error:
        raise ValueError("解密后不是 JSON") from error
