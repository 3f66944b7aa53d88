"""From settings to a way to a province."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from adapters.settlement.callback import (
    GmCallbacks,
    PlainCallbacks,
    SealedCallbacks,
    Verifier,
    by_address,
    by_api_headers,
    by_key,
    by_tif,
)
from adapters.settlement.http_json import HttpJsonPlatform
from adapters.settlement.signing import Signer
from adapters.settlement.signing.api_headers import ApiHeaderSigner
from adapters.settlement.signing.api_key import ApiKeySigner
from adapters.settlement.signing.gm import PATHS, GmEnvelope
from adapters.settlement.signing.oauth import BasicSigner, BearerSigner, Tokens
from adapters.settlement.signing.plain import PlainSigner
from adapters.settlement.signing.sm import Sm2PrivateKey, Sm2PublicKey
from adapters.settlement.signing.sm_envelope import SmEnvelope
from adapters.settlement.signing.tif import TifSigner
from gateway.exchange.callbacks import CallbackLine
from gateway.exchange.ports import SettlementPlatform

Signing = Literal["plain", "tif", "api-headers", "api-key", "oauth-sm", "gm", "soap"]

JSON: Final = "application/json; charset=utf-8"
PLAIN_TEXT: Final = "text/plain; charset=utf-8"
"""What front machines answer to, though the body is JSON."""
FORM: Final = "application/x-www-form-urlencoded"
TOKEN_READ_S_MAX: Final = 20
_URL_PER_INFNO: Final = ("tif", "api-headers")
_OF_TRANSACTIONS: Final = ("content_type", "url_per_infno", "paths", "only_paths", "files", "certificate_shown")
"""Options that a token service has no use for."""


@dataclass(frozen=True, slots=True, repr=False)
class OAuth:
    """Where a token comes from (``oauth-sm``).

    ``token_url`` is the whole address of the token service; the rest is what it asks for.
    """

    token_url: str
    client_id: str
    client_secret: str
    username: str
    password: str
    scope: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class SmKeys:
    """Keys of sealed messages.

    ``private_key`` is the institution's (SM2); ``platform_public_key`` may be empty, answers are not verified then.
    ``sm4_key`` and ``sealed_answers`` are for ``oauth-sm``, ``app_id`` and ``app_secret`` for ``gm``.
    """

    private_key: str
    platform_public_key: str = ""
    sm4_key: str = ""
    sealed_answers: bool = True
    app_id: str = ""
    app_secret: str = ""


def build_platform(
    base_url: str,
    signing: Signing,
    *,
    account: str = "",
    secret: str = "",
    version: str = "1.0.0",
    header: str = "apikey",
    upper_case: bool = False,
    oauth: OAuth | None = None,
    sm: SmKeys | None = None,
    soap: Mapping[str, Any] | None = None,
    content_type: str | None = None,
    url_per_infno: bool | None = None,
    **options: Any,
) -> SettlementPlatform:
    """The platform at ``base_url``.

    Args:
        signing: ``plain`` (front machine, no signature), ``tif`` (x-tif headers), ``api-headers`` (``_api_*``),
            ``api-key`` (a key in a header), ``oauth-sm`` (a token, and the envelope sealed if ``sm`` is given), ``gm``
            (the 国密 envelope of e-prescription), ``soap`` (an operation of a WSDL file).
        account, secret: issued by the province: paasid, or access key; ``api-key`` has a secret alone.
        version: ``_api_version``, only for ``api-headers``.
        header: name of the header that carries the key, only for ``api-key``.
        upper_case: the hex digits of the signature are capitals, only for ``tif``.
        oauth: for ``oauth-sm``.
        sm: for ``oauth-sm`` and ``gm``.
        soap: the keyword arguments of :class:`adapters.settlement.soap.SoapCall`.
        content_type, url_per_infno: None takes what the family is known to want.
        options: the other keyword arguments of :class:`HttpJsonPlatform`.

    Raises:
        ValueError: a setting that cannot work, with the reason in Chinese.
    """
    if signing == "soap":
        return _over_soap(base_url, soap, options)
    options["content_type"] = content_type or (PLAIN_TEXT if signing == "plain" else JSON)
    options["url_per_infno"] = signing in _URL_PER_INFNO if url_per_infno is None else url_per_infno
    if signing == "oauth-sm":
        return _with_token(base_url, oauth, sm, options)
    if signing == "gm":
        options["paths"] = {**PATHS, **(options.get("paths") or {})}
        return HttpJsonPlatform(base_url, PlainSigner(), sealer=_gm(sm), **options)
    return HttpJsonPlatform(base_url, _signer(signing, account, secret, version, header, upper_case), **options)


def build_callbacks(
    proof: str,
    window_s: float,
    *,
    tif: tuple[str, str],
    api: tuple[str, str],
    key: tuple[str, str],
    client_id: str,
    sm: SmKeys,
) -> CallbackLine:
    """How callbacks are proved.

    Args:
        proof: one of :data:`CallbackProof`.
        window_s: how far their time may be from ours.
        tif, api: account and secret.
        key: header and key.

    Raises:
        ValueError: something is missing that this proof needs (Chinese).
    """
    if proof in ("oauth-sm", "gm") and not sm.platform_public_key:
        raise ValueError(f"核对 {proof} 的回调需要平台的公钥 platform.sm.platform_public_key")
    if proof == "gm":
        return GmCallbacks(_gm(sm), window_s)
    if proof == "oauth-sm":
        own = Sm2PrivateKey(sm.private_key)
        return SealedCallbacks(SmEnvelope(own, sm.sm4_key or client_id, _platform_key(sm)))
    secrets = {"tif": tif, "api-headers": api, "api-key": key}.get(proof, ("", ""))
    if proof != "address" and not all(secrets):
        raise ValueError(f"核对 {proof} 的回调需要平台发放的账号与密钥")
    return PlainCallbacks(_verifier(proof, window_s, secrets))


def _verifier(proof: str, window_s: float, secrets: tuple[str, str]) -> Verifier:
    if proof == "tif":
        return by_tif(*secrets, window_s)
    if proof == "api-headers":
        return by_api_headers(*secrets, window_s)
    return by_key(secrets[1], secrets[0]) if proof == "api-key" else by_address


def _over_soap(base_url: str, soap: Mapping[str, Any] | None, options: dict[str, Any]) -> SettlementPlatform:
    # zeep takes a quarter of a second to load, and few provinces need it
    from adapters.settlement.soap import SoapCall, SoapPlatform

    if options.pop("paths", None) or options.pop("only_paths", False):
        raise ValueError("soap 方式只有一个地址，不能设置 paths")
    return SoapPlatform(base_url, SoapCall(**soap or {}), **options)


def _with_token(base_url: str, oauth: OAuth | None, sm: SmKeys | None, options: dict[str, Any]) -> SettlementPlatform:
    if oauth is None or not (oauth.token_url and oauth.username and oauth.password):
        raise ValueError("oauth-sm 需要令牌地址 token_url 及 username、password")
    form = {
        "username": oauth.username,
        "password": oauth.password,
        "scope": oauth.scope,
        "grant_type": "password",
    }
    tokens = Tokens(_token_service(oauth, options), form)
    sealer = None
    if sm is not None and sm.private_key:
        sm4_key = sm.sm4_key or oauth.client_id
        sealer = SmEnvelope(Sm2PrivateKey(sm.private_key), sm4_key, _platform_key(sm), sealed_answers=sm.sealed_answers)
    return HttpJsonPlatform(base_url, BearerSigner(tokens), sealer=sealer, on_rejected=tokens.forget, **options)


def _token_service(oauth: OAuth, options: dict[str, Any]) -> SettlementPlatform:
    """The same line conditions as the platform; one connection, for tokens are fetched one at a time."""
    line = {name: value for name, value in options.items() if name not in _OF_TRANSACTIONS}
    line |= {"pool_size": 1, "idle_s_max": 0, "read_timeout_s": min(TOKEN_READ_S_MAX, line.get("read_timeout_s", 60))}
    signer = BasicSigner(oauth.client_id, oauth.client_secret)
    if not urlsplit(oauth.token_url).path:
        raise ValueError("令牌地址 token_url 应写到路径，例如 https://主机/auth/oauth/token")
    return HttpJsonPlatform(oauth.token_url, signer, content_type=FORM, **line)


def _gm(sm: SmKeys | None) -> GmEnvelope:
    if sm is None or not sm.private_key:
        raise ValueError("国密报文需要 SM2 私钥 private_key")
    return GmEnvelope(sm.app_id, sm.app_secret, Sm2PrivateKey(sm.private_key), _platform_key(sm))


def _platform_key(sm: SmKeys) -> Sm2PublicKey | None:
    return Sm2PublicKey(sm.platform_public_key) if sm.platform_public_key else None


def _signer(signing: Signing, account: str, secret: str, version: str, header: str, upper_case: bool) -> Signer:
    if signing == "tif":
        return TifSigner(account, secret, upper_case=upper_case)
    if signing == "api-headers":
        return ApiHeaderSigner(account, secret, version)
    return ApiKeySigner(secret, header) if signing == "api-key" else PlainSigner()
