"""The way to a province over HTTP: the national JSON envelope by POST, signed by headers, sealed where asked for.

What decides is whether a byte may have left (``_post.py``). What precedes the post (a token, a signature, a sealed
body) fails as ``NotSent``; an answer that cannot be opened or verified is ``NoAnswer``, never a success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from adapters.settlement._post import Answered, HttpPost
from adapters.settlement.files import NO_FILES, Files
from adapters.settlement.signing import Sealer, Signer
from gateway.exchange.ports import NoAnswer, NoPath, NotSent, PlatformAnswer, PlatformRequest, Prepared, Rejected, Wire


class HttpJsonPlatform:
    """Sends each request once.

    Args:
        base_url: http or https address of the province, without the transaction.
        signer: adds the headers that the province checks.
        sealer: writes the journal's bytes as the province wants to read them, and reads its answers back; None: as
            they are.
        url_per_infno: add ``/{infno}`` to ``base_url``.
        content_type: as the province wants it; the body is UTF-8 JSON in any case.
        paths: transaction -> path below ``base_url``, for provinces with a path per service; goes before
            ``url_per_infno``.
        only_paths: what is not in ``paths`` is not sent. An address that does not exist answers 404, and that proves
            nothing about a payment.
        on_rejected: called when the front gateway refused, for instance to forget a token.
        files: how files go out and come in (9101, 9102).
        line: the other keyword arguments of :class:`HttpPost`.

    Raises:
        ValueError: an address or certificate that cannot work, with the reason in Chinese.
    """

    def __init__(
        self,
        base_url: str,
        signer: Signer,
        *,
        sealer: Sealer | None = None,
        url_per_infno: bool = False,
        content_type: str = "application/json; charset=utf-8",
        paths: Mapping[str, str] | None = None,
        only_paths: bool = False,
        on_rejected: Callable[[], None] | None = None,
        files: Files = NO_FILES,
        **line: Any,
    ) -> None:
        if not (content_type.isascii() and content_type.isprintable()):
            raise ValueError(f"Content-Type 含非法字符：{content_type!r}")
        self._line = HttpPost(base_url, **line)
        self._paths = {
            infno: quote(path.lstrip("/"), safe="/%:@!$&'()*+,;=~?") for infno, path in (paths or {}).items()
        }
        self._only_paths = only_paths
        self._url_per_infno = url_per_infno
        self._signer = signer
        self._sealer = sealer
        self._on_rejected = on_rejected
        self._files = files
        self._headers = {
            "Content-Type": content_type,
            "Accept": "*/*",
            "Accept-Encoding": "identity",  # no public client asks for packing; what is packed all the same is unpacked
            "User-Agent": "yibao-gateway",
        }

    def prepare(self, request: PlatformRequest) -> Prepared | None:
        """See ``SettlementPlatform``: sealed, where this province wants it. Raises NotSent, also for want of a path."""
        self.path_of(request.infno)
        if self._sealer is None or request.parcel is not None:
            return None
        body = self._sealed(request.body)
        return Prepared(body, kept=body)

    def send(self, request: PlatformRequest) -> PlatformAnswer:
        """Send once. Without a sealer the body goes out byte for byte.

        Raises:
            NotSent: no path, no connection, no token, or no longer this node's; nothing left this machine.
            Rejected: refused in front of the platform; not executed.
            NoAnswer: bytes may have left and no whole answer came back that can be trusted.
        """
        path = self.path_of(request.infno)
        body, own = self._wired(request)
        headers = {**self._headers, **own, **self._signer.headers(request.infno, body)}
        incoming = self._files.incoming(request)
        answer: Answered | None = None
        try:
            answer = self._line.post(path, headers, body, request, incoming.judge)
            told = answer.body if incoming.received else self._opened(request, answer.body)
        except Rejected:
            if self._on_rejected:
                self._on_rejected()
            raise
        except NoAnswer as error:
            error.wire = self._wire(request, body, answer)
            raise
        wire = None if incoming.received else self._wire(request, body, answer)
        return PlatformAnswer(200, answer.headers, told, answer.elapsed_s, wire)

    def reachable(self, timeout_s: float) -> bool:
        """Whether TCP and TLS can be set up now; nothing is sent."""
        return self._line.reachable(timeout_s)

    def close(self) -> None:
        """Close idle connections and refuse new requests; running ones end."""
        self._line.close()

    def path_of(self, infno: str) -> str:
        """The path that a transaction is posted to. Raises :class:`NoPath` where there is none."""
        base = self._line.base_path
        if infno in self._paths:
            return f"{base}/{self._paths[infno]}"
        if self._only_paths:
            raise NoPath(f"本省按服务分路径，没有交易 {infno} 的路径，请求没有发出；请向省里索取，填入 platform.paths")
        return f"{base}/{quote(infno, safe='')}" if self._url_per_infno else base or "/"

    def _wire(self, request: PlatformRequest, body: bytes, answer: Answered | None) -> Wire | None:
        """What stood on the line where that is another text; never a file, which has a place of its own."""
        if self._sealer is None or request.parcel is not None:
            return None
        return Wire(None if request.prepared else body, answer.body if answer else None)

    def _wired(self, request: PlatformRequest) -> tuple[bytes, Mapping[str, str]]:
        """The bytes for the wire, and the headers that go with them."""
        if request.prepared is not None:
            return request.prepared.body, request.prepared.headers
        if request.parcel is None:
            return self._sealed(request.body), {}
        return self._files.outgoing(request.body, request.parcel, self._sealed)

    def _sealed(self, body: bytes) -> bytes:
        if self._sealer is None:
            return body
        try:
            return self._sealer.seal(body)
        except ValueError as error:
            raise NotSent(f"报文无法按平台要求加密签名，没有发出：{error}") from error

    def _opened(self, request: PlatformRequest, answer: bytes) -> bytes:
        if self._sealer is None:
            return answer
        try:
            return self._sealer.open(request.body, answer)
        except ValueError as error:
            raise NoAnswer(f"平台的答复不可信：{error}") from error
