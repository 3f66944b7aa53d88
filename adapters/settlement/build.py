"""From settings to a way to a province."""

from __future__ import annotations

from typing import Any, Literal

from adapters.settlement.http_json import HttpJsonPlatform
from adapters.settlement.signing import Signer
from adapters.settlement.signing.plain import PlainSigner
from adapters.settlement.signing.tif import TifSigner
from gateway.exchange.ports import SettlementPlatform

Signing = Literal["plain", "tif"]

_CONTENT_TYPES: dict[Signing, str] = {
    "plain": "text/plain; charset=utf-8",  # what front machines answer to, though the body is JSON
    "tif": "application/json; charset=utf-8",
}
_URL_PER_INFNO: dict[Signing, bool] = {"plain": False, "tif": True}


def build_platform(
    base_url: str,
    signing: Signing,
    *,
    account: str = "",
    secret: str = "",
    content_type: str | None = None,
    url_per_infno: bool | None = None,
    **options: Any,
) -> SettlementPlatform:
    """The platform at ``base_url``.

    Args:
        signing: ``plain`` (front machine, no signature) or ``tif`` (x-tif headers).
        account, secret: issued by the province; only for ``tif``.
        content_type, url_per_infno: None takes what the family is known to want.
        options: the other keyword arguments of :class:`HttpJsonPlatform`.

    Raises:
        ValueError: a setting that cannot work, with the reason in Chinese.
    """
    return HttpJsonPlatform(
        base_url,
        _signer(signing, account, secret),
        content_type=content_type or _CONTENT_TYPES[signing],
        url_per_infno=_URL_PER_INFNO[signing] if url_per_infno is None else url_per_infno,
        **options,
    )


def _signer(signing: Signing, account: str, secret: str) -> Signer:
    return TifSigner(account, secret) if signing == "tif" else PlainSigner()
