"""What the hospital tells and asks the gateway itself: the operations of ``/soap/hospital`` and its JSON twin."""

from __future__ import annotations

from typing import Final

from gateway.contract.published import STATUS, leaf
from gateway.contract.wsdl import ServiceOperation, service_wsdl

GROUP: Final = "hospital"

OUTCOME: Final = ServiceOperation(
    "Outcome",
    "查询一笔交易的结果，不向平台发送任何报文；给出 request_id，或 mdtrt_id 与 infno",
    (
        leaf("request_id", "调用方自己的请求编号"),
        leaf("mdtrt_id", "就诊ID"),
        leaf("infno", "交易编号"),
    ),
    (
        leaf("state", "交易状态：CONFIRMED 已成交、IN_DOUBT 核实中、NOT_DONE 未成交等"),
        leaf("infno", "交易编号"),
        *STATUS,
        leaf("output", "交易输出，XML 文本"),
    ),
)
OPERATIONS: Final = (OUTCOME,)


def hospital_wsdl() -> bytes:
    """The published WSDL of the service."""
    return service_wsdl(GROUP, "医保接口：院内服务", OPERATIONS)
