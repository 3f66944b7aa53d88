"""Files: 9101 keeps what was uploaded, 9102 gives what is there."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.simulator.ledger import Declined, printed
from gateway.simulator.registry import Turn, handles

EVERYBODY = "plc"
"""``fixmedins_code`` of files that are made for all (13xx)."""
KEPT = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """An answer that is a file and no envelope."""

    content: bytes


@handles("9101")
def upload(turn: Turn) -> Any:
    """Keep the file; only its own institution is told of it."""
    data = turn.message["fsUploadIn"]
    if data["fixmedins_code"] != turn.institution:
        raise Declined("上传文件的医药机构编号与报文不符")
    try:
        content = base64.b64decode(data["in"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Declined("文件数据不是 Base64") from error
    number = turn.ledger.keep_file(data["filename"], content, turn.institution)
    return turn.shaped(
        file_qury_no=number,
        filename=data["filename"],
        fixmedins_code=turn.institution,
        dld_endtime=printed(turn.now + KEPT),
    )


@handles("9102")
def download(turn: Turn) -> Any:
    """The file as octets."""
    data = turn.message["fsDownloadIn"]
    found = turn.ledger.files.get(data["file_qury_no"])
    if (
        found is None
        or found.name != data["filename"]
        or data["fixmedins_code"] not in (found.fixmedins_code, EVERYBODY)
    ):
        raise Declined(f"文件不存在或已过下载截止时间：{data['file_qury_no']}")
    if found.fixmedins_code not in (turn.institution, EVERYBODY):
        raise Declined("文件不属于本机构")
    return FileAnswer(found.content)
