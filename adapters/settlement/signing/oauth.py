"""An OAuth token in front of every call (Jilin). A token that cannot be had means: nothing was sent."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from adapters.settlement.signing._text import header_text
from gateway.exchange.ports import NoAnswer, NotSent, PlatformRequest, Rejected, SettlementPlatform

TOKEN_S_MAX: Final = 600
"""No token is used for longer, whatever its issuer says."""
EARLY_S: Final = 30
"""A token about to end is not used any more."""
PAUSE_S: Final = 2
"""After a failure the next callers hear of it at once for so long: they do not queue up one after the other."""


class BasicSigner:
    """Client id and secret in front of the token service."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        if not client_id or not client_secret:
            raise ValueError("OAuth 需要 client_id 与 client_secret")
        self._headers = {"Authorization": "Basic " + b64encode(f"{client_id}:{client_secret}".encode()).decode()}

    def headers(self, infno: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        return self._headers


class Tokens:
    """Fetches a token when there is none in force, once for all who wait.

    Args:
        service: posts the form to the token service; see :class:`BasicSigner`.
        form: what it asks for: ``username``, ``password``, ``scope``, ``grant_type``.
        monotonic: seconds.
    """

    def __init__(
        self,
        service: SettlementPlatform,
        form: Mapping[str, str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._form = urlencode(form).encode()
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._token = ""
        self._ends = 0.0
        self._failure: NotSent | None = None
        self._failed_at = 0.0

    def current(self) -> str:
        """A token in force.

        Raises:
            NotSent: none could be had; of the request itself nothing was sent.
            Rejected: the token service refused our account.
        """
        with self._guard:
            if self._token and self._monotonic() < self._ends:
                return self._token
            if self._failure and self._monotonic() < self._failed_at + PAUSE_S:
                raise type(self._failure)(*self._failure.args)
            try:
                return self._fetch()
            except NotSent as error:
                self._failure, self._failed_at = error, self._monotonic()
                raise

    def forget(self) -> None:
        """The platform did not accept it: the next call fetches a new one."""
        with self._guard:
            self._token = ""

    def _fetch(self) -> str:
        begun = self._monotonic()
        try:
            body = self._service.send(PlatformRequest("", "", self._form)).body
        except Rejected as error:
            raise Rejected(f"令牌服务拒绝：{error}") from error
        except (NotSent, NoAnswer) as error:
            raise NotSent(f"没有取得令牌，交易没有发出：{error}") from error
        token, seconds = _read(body)
        self._token, self._ends, self._failure = token, begun + min(seconds, TOKEN_S_MAX) - EARLY_S, None
        return token


class BearerSigner:
    """Sends the token in force."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def headers(self, infno: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """The token; raises ``NotSent`` when there is none."""
        return {"Authorization": f"Bearer {self._tokens.current()}"}


def _read(body: bytes) -> tuple[str, float]:
    """The token and for how many seconds it is good."""
    try:
        answer = json.loads(body)
        token = header_text(str(answer["access_token"]), "令牌")
        return token, max(float(answer.get("expires_in") or TOKEN_S_MAX), EARLY_S + 1)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotSent("令牌服务的答复里没有可用的令牌，交易没有发出") from error
