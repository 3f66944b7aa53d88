"""From settings to a way to a province."""

from __future__ import annotations

from typing import Any, Final, Literal

from adapters.settlement.http_json import HttpJsonPlatform
from adapters.settlement.signing import Signer
from adapters.settlement.signing.api_headers import ApiHeaderSigner
from adapters.settlement.signing.api_key import ApiKeySigner
from adapters.settlement.signing.plain import PlainSigner
from adapters.settlement.signing.tif import TifSigner
from gateway.exchange.ports import SettlementPlatform

Signing = Literal["plain", "tif", "api-headers", "api-key"]

JSON: Final = "application/json; charset=utf-8"
PLAIN_TEXT: Final = "text/plain; charset=utf-8"
"""What front machines answer to, though the body is JSON."""
_URL_PER_INFNO: Final = ("tif", "api-headers")


def build_platform(
    base_url: str,
    signing: Signing,
    *,
    account: str = "",
    secret: str = "",
    version: str = "1.0.0",
    header: str = "apikey",
    content_type: str | None = None,
    url_per_infno: bool | None = None,
    **options: Any,
) -> SettlementPlatform:
    """The platform at ``base_url``.

    Args:
        signing: ``plain`` (front machine, no signature), ``tif`` (x-tif headers), ``api-headers`` (``_api_*``),
            ``api-key`` (a key in a header).
        account, secret: issued by the province: paasid, or access key; ``api-key`` has a secret alone.
        version: ``_api_version``, only for ``api-headers``.
        header: name of the header that carries the key, only for ``api-key``.
        content_type, url_per_infno: None takes what the family is known to want.
        options: the other keyword arguments of :class:`HttpJsonPlatform`.

    Raises:
        ValueError: a setting that cannot work, with the reason in Chinese.
    """
    return HttpJsonPlatform(
        base_url,
        _signer(signing, account, secret, version, header),
        content_type=content_type or (PLAIN_TEXT if signing == "plain" else JSON),
        url_per_infno=signing in _URL_PER_INFNO if url_per_infno is None else url_per_infno,
        **options,
    )


def _signer(signing: Signing, account: str, secret: str, version: str, header: str) -> Signer:
    if signing == "tif":
        return TifSigner(account, secret)
    if signing == "api-headers":
        return ApiHeaderSigner(account, secret, version)
    return ApiKeySigner(secret, header) if signing == "api-key" else PlainSigner()
