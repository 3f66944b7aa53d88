"""A mappings folder of three small tables, for tests that break or extend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.contract.errors import MappingError
from gateway.contract.model import Contract
from gateway.mappings import load

ENVELOPE = """\
title: 公共报文
formats: {date: yyyy-MM-dd}
request:
  fields:
    - {name: infno, label: 交易编号, type: string, length: 6, required: true}
    - {name: msgid, label: 发送方报文ID, type: string, length: 30, required: true}
response:
  fields:
    - {name: infcode, label: 交易状态码, type: integer, length: 4, required: true}
rules: {}
confidence: high
doubts: []
"""
CODES = """\
gend:
  label: 性别
  values:
    "1": 男
    "2": 女
  regional:
    Somewhere:
      "9": 未说明
dept:
  label: 科室
  values:
    A01: 预防保健科
"""
ALIASES = "adm_caty: dept\n"
SAFETY = """\
row_keys:
  "2204":
    fields: [feedetail/feedetl_sn]
    reason: 明细流水号在就诊内唯一。
deviations: {}
undone_by: {}
callbacks: {}
"""
NATIONAL = """\
province: national
label: 国家
confidence: high
doubts: []
settings:
  infver: V1.0
  settle_time_s: 300
"""
QUERY = """\
infno: "1101"
name: 人员查询
group: person
mutates: false
money: false
input:
  - node: data
    label: 条件
    repeat: false
    fields:
      - {name: psn_no, label: 人员编号, type: string, length: 30, required: true}
      - {name: gend, label: 性别, type: string, length: 3, code: true, required: false}
      - {name: admCaty, label: 科别, type: string, length: 9, code: true, required: false}
      - {name: amt, label: 金额, type: decimal, precision: 16, scale: 2, required: false}
output:
  - node: baseinfo
    label: 基本信息
    repeat: false
    fields:
      - {name: psn_name, label: 姓名, type: string, length: 50, required: true}
  - node: insuinfo
    label: 参保
    repeat: true
    parent: baseinfo
    fields:
      - {name: balc, label: 余额, type: decimal, precision: 16, scale: 2, required: false}
confidence: high
doubts: []
"""
UPLOAD = """\
infno: "2204"
name: 费用上传
group: outpatient
mutates: true
money: false
undone_by: "2205"
input:
  - node: feedetail
    label: 明细
    repeat: true
    fields:
      - {name: feedetl_sn, label: 流水号, type: string, length: 30, required: true}
output: []
confidence: high
doubts: []
"""
UNDO = """\
infno: "2205"
name: 费用撤销
group: outpatient
mutates: true
money: false
input:
  - node: _root
    label: 输入
    repeat: false
    fields:
      - {name: mdtrt_id, label: 就诊ID, type: string, length: 30, required: true}
output: []
confidence: high
doubts: []
"""
PROOFS = """\
defaults:
  repeatable: {then: repeat, at_once: true, reason: 相同行键与内容再传不会成为第二行。}
never_seen: [未查询到原交易]
transactions: {}
"""
RULES = """\
guards:
  "2204": [fee_change]
operations:
  "2204": single
med_type: {ordinary: ["21"], day_surgery: ["28"]}
"""
FILES = {
    "envelope.yaml": ENVELOPE,
    "codes/codes.yaml": CODES,
    "codes/aliases.yaml": ALIASES,
    "safety.yaml": SAFETY,
    "proofs.yaml": PROOFS,
    "rules/entry-time.yaml": RULES,
    "rules/settlement-list.yaml": "rules: {}\n",
    "provinces/national/province.yaml": NATIONAL,
    "transactions/1101.yaml": QUERY,
    "transactions/2204.yaml": UPLOAD,
    "transactions/2205.yaml": UNDO,
}


class MappingTree:
    """Files under a temporary root; ``replace`` changes one place of one file and must find it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)

    def path(self, name: str) -> Path:
        return self.root / "mappings" / name

    def write(self, name: str, text: str) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        text = self.path(name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.write(name, text.replace(old, new))

    def overlay(self, body: str, name: str = "here") -> None:
        head = f"province: {name}\nlabel: 某省\nconfidence: low\ndoubts: []\n"
        self.write(f"provinces/{name}/province.yaml", head + body)

    def load(self, province: str = "national") -> Contract:
        return load(province, self.root)

    def error(self, province: str = "national") -> MappingError:
        with pytest.raises(MappingError) as caught:
            self.load(province)
        return caught.value
