"""Verification of x-tif headers, written from transport facts section 3 and sharing nothing with the gateway's signer."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class TifSigning:
    """Accounts that may call, with the nonces they have used.

    Args:
        secrets: ``x-tif-paasid`` -> secret.
        window_s: how far ``x-tif-timestamp`` (Unix seconds) may be from the platform's clock.
    """

    secrets: Mapping[str, str]
    window_s: int = 300
    _used: dict[tuple[str, str], int] = field(default_factory=dict)

    def refusal(self, headers: Mapping[str, str], now_s: int) -> str | None:
        """Why these headers are not accepted (Chinese), or None; an accepted nonce is spent.

        Args:
            headers: HTTP headers, names in lower case.
            now_s: the platform's clock in Unix seconds.
        """
        paasid, stamp, nonce, given = (headers.get(f"x-tif-{name}", "") for name in _NAMES)
        if not (paasid and stamp and nonce and given):
            return "缺少服务网关的请求头（x-tif-paasid、x-tif-timestamp、x-tif-nonce、x-tif-signature）"
        if paasid not in self.secrets:
            return "非法用户（x-tif-paasid 未登记）"
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return "x-tif-timestamp 应为秒级 Unix 时间"
        if abs(now_s - int(stamp)) > self.window_s:
            return f"签名时间戳超时（允许前后 {self.window_s} 秒）"
        if not hmac.compare_digest(digest(stamp, self.secrets[paasid], nonce).encode(), given.encode()):
            return "签名不一致"
        return self._spend(paasid, nonce, int(stamp))

    def _spend(self, paasid: str, nonce: str, stamp: int) -> str | None:
        if (paasid, nonce) in self._used:
            return "x-tif-nonce 重复使用"
        if len(self._used) >= _SWEEP_AT:
            self._used = {key: at for key, at in self._used.items() if at >= stamp - 2 * self.window_s}
        self._used[paasid, nonce] = stamp
        return None


def digest(stamp: str, secret: str, nonce: str) -> str:
    """Lower-case hex SHA-256 over timestamp, secret, nonce, timestamp, fed piece by piece."""
    running = hashlib.sha256()
    for piece in (stamp, secret, nonce, stamp):
        running.update(piece.encode())
    return running.hexdigest()


_NAMES = ("paasid", "timestamp", "nonce", "signature")
_SWEEP_AT = 10_000
