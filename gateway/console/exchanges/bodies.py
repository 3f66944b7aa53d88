"""报文: both sides of an exchange beside each other, what the HIS was told, and the bytes to take away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from gateway.console.exchanges import reading, sides
from gateway.console.exchanges.finding import exchange_of
from gateway.console.exchanges.picture import Kept
from gateway.console.shown import PROOFS, exactly
from gateway.console.visit import Visit
from gateway.contract.charset import declared_in_xml
from gateway.contract.dialect import Carried
from gateway.contract.dialect.verbs import Shape
from gateway.contract.envelope import CALLER_FIELDS, Garbage
from gateway.contract.interface import Interface
from gateway.contract.jsontext import loads
from gateway.contract.model import Field, FieldType, Side, Transaction
from gateway.exchange.again import came_from_outside
from gateway.exchange.call import Reply
from gateway.exchange.filed import UPLOAD
from gateway.exchange.ports import Bodies, Exchange, Proof, ProofKind
from gateway.exchange.replies import Replies, open_reply
from gateway.faults import IN_DOUBT, GatewayFault
from gateway.soap.reread import TYPED, Again, written_again

PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "caller_request": ("院内报文", "his-request"),
    "platform_request": ("发往平台的报文", "platform-request"),
    "platform_answer": ("平台的答复", "platform-answer"),
    "proof_answer": ("据以认定的答复", "proof-answer"),
    "wire_request": ("线路上的请求（加封后）", "wire-request"),
    "wire_answer": ("线路上的答复（拆封前）", "wire-answer"),
}
"""What the journal may keep of an exchange: title, and the name of the file."""
PAGE_MAX: Final = 10_000
_LABEL: Final = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Told:
    """A reply to the HIS, as the journal lets it be written once more.

    Args:
        title: which one it is.
        text: empty for who may not see bodies.
    """

    title: str
    reply: Reply
    text: str


def body(visit: Visit) -> Response:
    """What was said, in both directions: translated, and for those who may, as the bytes were.

    A look at what is not masked is kept in the operator log before anything is shown.
    """
    row = exchange_of(visit)
    bodies = visit.parts.store.journal.bodies(row.id) if row is not None else None
    if row is None or bodies is None or bodies.gone:
        text = bodies.gone if bodies is not None else "没有保存报文"
        return visit.show("templates/part.html", 404, text=f"{text}。")
    plain = visit.may("exchange.body")
    if plain and not visit.note("console.body", f"exchange {row.id}", f"{row.infno} {row.msgid or ''}"):
        return visit.show("templates/part.html", 503, text="操作日志写不进去，不能显示报文。")
    proofs = visit.parts.store.journal.proofs(row.id)
    again = visit.parts.reread.again(row, bodies)
    return visit.show(
        "exchanges/body.html",
        row=row,
        plain=plain,
        page=_page(visit),
        marks=sides.MARKS,
        rows_page=sides.ROWS_PAGE,
        outside=came_from_outside(row),
        why_not=again.why_not,
        same_version=_same_version(visit, row, again),
        told=list(_told(visit, row, proofs, again, plain=plain)),
        unread=again.call.unknown if again.call is not None else (),
        **_beside(visit, row, bodies, proofs, again),
        **_raw(row, bodies, proofs, plain=plain),
    )


def _page(visit: Visit) -> int:
    text = visit.query.get("page", "1")
    return min(max(int(text), 1), PAGE_MAX) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _same_version(visit: Visit, row: Exchange, again: Again) -> bool:
    """Whether interface and dialect are still those that the exchange was judged by; unknown where none is kept."""
    version = visit.parts.interface.contract.version
    dialect = f"+{again.dialect.version}" if again.dialect is not None else ""
    return not row.mapping_version or row.mapping_version == version + dialect


# ---------------------------------------------------------------- field by field


def _beside(visit: Visit, row: Exchange, bodies: Bodies, proofs: Sequence[Proof], again: Again) -> dict[str, Any]:
    """Request and answer, each beside its translation; nothing where no table is about it."""
    transaction = visit.parts.interface.contract.transactions.get(row.infno)
    if transaction is None:
        return {"head": [], "asked": [], "answered": []}
    reader = reading.Reader(visit.parts.interface.contract.codes, plain=visit.may("exchange.body"))
    request = _request(visit, transaction, bodies, proofs, again)
    answer = _answer(row, bodies, again)
    return {
        "head": _head(visit, bodies, again, reader),
        "asked": sides.asked(transaction.input, request, reader, _page(visit)),
        "answered": sides.told(transaction.output, answer, reader, _page(visit)),
    }


def _head(visit: Visit, bodies: Bodies, again: Again, reader: reading.Reader) -> list[sides.PairSection]:
    """The common envelope: what the HIS said of itself, and what stood there when it went out."""
    said = again.call.head if again.call is not None else {}
    given = {name: text for name, text in said.items() if text and name not in CALLER_FIELDS}
    envelope = reading.envelope_of(bodies.platform_request)
    side = Side(
        root=tuple(
            Field(one.name, one.label, _type(one.type)) for one in visit.parts.interface.contract.request_envelope
        )
    )
    # the dialect reads a head by paths of its own, which are not followed
    carried = [Carried(((("（报文头）",), text),), (name,)) for name, text in given.items()]
    return sides.asked(
        side, sides.Request(given, given, envelope, carried if again.dialect is not None else None), reader
    )


def _type(named: str) -> FieldType:
    return "datetime" if named == "datetime" else "string"


def _request(
    visit: Visit, transaction: Transaction, bodies: Bodies, proofs: Sequence[Proof], again: Again
) -> sides.Request:
    sent = reading.input_of(bodies.platform_request)
    if again.call is None:
        return sides.Request(None, None, sent, [])
    side = transaction.input
    given = Shape(side.nodes, repeat=side.root_repeat).of(again.call.message)
    checked, _ = visit.parts.interface.input(transaction.infno).check(given)
    carried = again.dialect.asked(again.called) if again.dialect is not None and again.called is not None else None
    return sides.Request(given, checked, sent, carried, sides.amendments(_evidence(proofs)))


def _evidence(proofs: Sequence[Proof]) -> Iterator[Any]:
    """What the rules left, as values."""
    for proof in proofs:
        if proof.kind is ProofKind.RULES and proof.request:
            try:
                yield loads(proof.request)
            except GatewayFault:
                continue


def _answer(row: Exchange, bodies: Bodies, again: Again) -> sides.Answer:
    output = reading.output_of(bodies.platform_answer if bodies.proof_answer is None else bodies.proof_answer)
    if again.dialect is None or again.called is None:
        return sides.Answer(output, known_only=row.channel == TYPED)
    tree, carried = again.dialect.told(again.called, Reply(infcode="0", output=output))
    return sides.Answer(output, tree, carried)


# ---------------------------------------------------------- what the HIS was told


def _told(visit: Visit, row: Exchange, proofs: Sequence[Proof], again: Again, *, plain: bool) -> Iterator[Told]:
    """The reply to the call, and where a doubt has been settled since, what a repeat of it is told now."""
    if not came_from_outside(row) or row.finished_at is None:
        return
    interface = visit.parts.interface
    kept = Kept(row, proofs, {}, original=visit.parts.store.journal.resends(row.id).original)

    def told(title: str, reply: Reply) -> Told:
        return Told(title, reply, _text(again, reply, interface, row) if plain else "")

    if kept.doubted:
        yield told("当时的答复", open_reply(row, IN_DOUBT))
    try:
        now = Replies(visit.parts.store.journal, None).of(row, interface)
    except Garbage:  # confirmed by a person: no answer of the platform is there
        return
    if not kept.doubted:
        yield told("答复", now)
    elif now.code != IN_DOUBT.code:
        yield told("院内此后以原请求再问，得到", now)


def _text(again: Again, reply: Reply, interface: Interface, row: Exchange) -> str:
    return reading.pretty(written_again(again, reply, interface, row).encode(), "utf-8")


# ------------------------------------------------------------------------ the bytes


def _raw(row: Exchange, bodies: Bodies, proofs: Sequence[Proof], *, plain: bool) -> dict[str, Any]:
    shown = [
        {"name": name, "title": title, "charset": _charset(name, bodies), "bytes": len(content),
         "text": reading.pretty(content, _charset(name, bodies))}
        for name, (title, _) in PARTS.items()
        if plain and (content := getattr(bodies, name)) is not None
    ]  # fmt: skip
    numbered = enumerate(proofs, 1) if plain else ()
    return {
        "raw": shown,
        "file_aside": row.infno == UPLOAD,
        "proofs": [_exchanged(number, proof) for number, proof in numbered if proof.request or proof.answer],
    }


def _exchanged(number: int, proof: Proof) -> dict[str, Any]:
    """What was said to settle a doubt; ``number`` is its place in the evidence."""
    return {
        "number": number,
        "title": f"{exactly(proof.at)} {PROOFS[proof.kind]} {proof.infno}",
        "asked": reading.pretty(proof.request, "utf-8"),
        "told": reading.pretty(proof.answer, "utf-8"),
    }


def _charset(name: str, bodies: Bodies) -> str:
    """What the bytes are in: as the HIS's were read, as XML on the line says of itself; JSON is UTF-8."""
    if name == "caller_request":
        return bodies.caller_charset or "utf-8"
    declared = declared_in_xml(getattr(bodies, name) or b"") if name.startswith("wire_") else ""
    return declared or "utf-8"


def download(visit: Visit) -> Response:
    """One body as a file, byte for byte as the journal keeps it; in the operator log before it is given."""
    row = exchange_of(visit)
    found = _part(visit, row, visit.path["part"]) if row is not None else None
    if row is None or found is None:
        return visit.show("templates/told.html", 404, title="没有这份报文", text="日志中没有这笔交易的这份报文。")
    name, content, charset = found
    title = PARTS[visit.path["part"]][0] if visit.path["part"] in PARTS else name
    if not visit.note("console.body_file", f"exchange {row.id}", f"{row.infno} {title} {len(content)} 字节"):
        return visit.show("templates/told.html", 503, title="不能下载", text="操作日志写不进去。")
    label = _LABEL.sub("-", charset.lower())[:20].strip("-") or "utf-8"
    file = f"exchange-{row.id}-{name}-{label}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    # plain text: whatever stands in it, no browser runs it
    return Response(content, headers=headers | {"Content-Type": f"text/plain; charset={label}"})


def _part(visit: Visit, row: Exchange, wanted: str) -> tuple[str, bytes, str] | None:
    """Name for the file, bytes, charset. ``wanted`` is a name of :data:`PARTS`, or ``proof-<number>-asked|told``."""
    if wanted in PARTS:
        bodies = visit.parts.store.journal.bodies(row.id)
        content: bytes | None = getattr(bodies, wanted) if bodies is not None else None
        return (
            (PARTS[wanted][1], content, _charset(wanted, bodies))
            if bodies is not None and content is not None
            else None
        )
    parts = re.fullmatch(r"proof-([0-9]{1,4})-(asked|told)", wanted)
    proofs = visit.parts.store.journal.proofs(row.id) if parts is not None else []
    if parts is None or not 0 < int(parts[1]) <= len(proofs):
        return None
    proof = proofs[int(parts[1]) - 1]
    said = proof.request if parts[2] == "asked" else proof.answer
    return (f"proof-{int(parts[1])}-{parts[2]}", said, "utf-8") if said is not None else None
