"""What the sample hospital has: wards, doctors, diseases with what is done for them, and items with believable prices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the price list."""

    code: str
    name: str
    kind: str
    national: str
    spec: str
    unit: str
    price: Decimal


def _items(kind: str, prefix: str, lines: str) -> list[Item]:
    found = []
    for number, line in enumerate(lines.strip().splitlines(), 1):
        name, national, spec, unit, price = (part.strip() for part in line.split("|"))
        found.append(Item(f"{prefix}{number:04d}", name, kind, national, spec, unit, Decimal(price)))
    return found


DAILY: Final = _items("service", "F1", """
    普通床位费（三人间）|001109000010000-110900001|日|日|45.00
    住院诊查费|001102000050000-110200005|日|日|25.00
    Ⅱ级护理|001201000040000-120100004|日|日|18.00
    静脉输液|001204000060000-120400006|组|组|11.00
    静脉注射|001204000020000-120400002|次|次|6.50
    血糖测定|002503020010000-250302001|次|次|7.00
    雾化吸入|001207000010000-120700001|次|次|12.00
    动静脉置管护理|001201000120000-120100012|次|次|8.00
""")  # fmt: skip
TESTS: Final = _items("service", "F2", """
    血常规（五分类）|002501010150000-250101015|次|次|20.00
    尿常规|002501020350000-250102035|次|次|12.00
    肝功能全套|002503050010000-250305001|套|套|86.00
    肾功能三项|002503070010000-250307001|套|套|28.00
    电解质五项|002503040010000-250304001|套|套|35.00
    凝血四项|002502030200000-250203020|套|套|60.00
    C反应蛋白测定|002504010140000-250401014|次|次|30.00
    心电图（十二导联）|003107010010000-310701001|次|次|26.00
    胸部CT平扫|002103000010000-210300001|部位|次|220.00
    腹部彩超|002203010010000-220301001|次|次|120.00
    心脏彩超|002206000040000-220600004|次|次|180.00
""")  # fmt: skip
DRUGS: Final = _items("drug", "Y1", """
    0.9%氯化钠注射液|XB05BBL184B002010100483|100ml:0.9g|袋|3.250000
    5%葡萄糖注射液|XB05BAP089B002010100483|250ml:12.5g|袋|3.860000
    注射用头孢呋辛钠|XJ01DCT052B014010100529|0.75g|支|9.480000
    盐酸氨溴索注射液|XR05CBA211B002010200104|2ml:15mg|支|2.260000
    奥美拉唑肠溶胶囊|XA02BCA221E004010100308|20mg×14粒|盒|12.760000
    阿司匹林肠溶片|XB01ACA227A012010100445|100mg×30片|盒|14.350000
    苯磺酸氨氯地平片|XC08CAA229A001010300157|5mg×28片|盒|4.480000
    二甲双胍片|XA10BAE082A001010100620|0.25g×48片|盒|6.900000
    瑞舒伐他汀钙片|XC10AAR045A001010100333|10mg×28片|盒|7.280000
    甘精胰岛素注射液|XA10AEG015B002020100445|3ml:300单位|支|69.200000
    布洛芬缓释胶囊|XM01AEB206E002010100210|0.3g×24粒|盒|18.900000
    氯化钾缓释片|XA12BAL181A006010100120|0.5g×24片|盒|8.450000
""")  # fmt: skip
HERBS: Final = _items("herb", "Z1", """
    黄芪|T000700293|g|g|0.098000
    当归|T000700158|g|g|0.165000
    川芎|T000700114|g|g|0.082000
    白术|T000700026|g|g|0.112000
    茯苓|T000700216|g|g|0.061000
    甘草|T000700217|g|g|0.057000
    丹参|T000700144|g|g|0.069000
    陈皮|T000700105|g|g|0.043000
    熟地黄|T000700617|g|g|0.078000
    党参|T000700150|g|g|0.137000
""")  # fmt: skip
SUPPLIES: Final = _items("consumable", "H1", """
    一次性使用输液器|C14010100000000|带针|套|1.850000
    一次性使用静脉留置针|C14020300000000|24G|支|12.600000
    一次性使用无菌注射器|C14010200000000|10ml|支|0.680000
    医用敷贴|C14050100000000|6cm×7cm|片|2.300000
""")  # fmt: skip
SURGERY: Final = _items("service", "F3", """
    腹腔镜下胆囊切除术|003311050010000-331105001|次|次|2680.00
    腹腔镜下阑尾切除术|003310030220000-331003022|次|次|1950.00
    白内障超声乳化摘除术加人工晶体植入术|003306060170000-330606017|单眼|次|1860.00
    经皮冠状动脉支架置入术|003201040020000-320104002|次|次|4200.00
    全身麻醉|003301000050000-330100005|2小时|次|720.00
    局部浸润麻醉|003301000010000-330100001|次|次|40.00
""")  # fmt: skip
ITEMS: Final = (*DAILY, *TESTS, *DRUGS, *HERBS, *SUPPLIES, *SURGERY)


@dataclass(frozen=True, slots=True)
class Ward:
    """A ward with its department and doctors."""

    code: str
    name: str
    department: str
    doctors: tuple[tuple[str, str], ...]


WARDS: Final = (
    Ward("0201", "心血管内科病区", "心血管内科", (("D440800000101", "陈建国"), ("D440800000102", "林静"))),
    Ward("0202", "呼吸内科病区", "呼吸与危重症医学科", (("D440800000103", "黄志强"), ("D440800000104", "吴敏"))),
    Ward("0203", "内分泌科病区", "内分泌科", (("D440800000105", "梁秀英"), ("D440800000106", "何涛"))),
    Ward("0301", "普外科病区", "普通外科", (("D440800000107", "郑伟"), ("D440800000108", "周磊"))),
    Ward("0302", "眼科病区", "眼科", (("D440800000109", "许丽"), ("D440800000110", "谢军"))),
    Ward("0401", "中医科病区", "中医科", (("D440800000111", "罗国华"), ("D440800000112", "叶兰"))),
)
ICU: Final = Ward("0901", "重症医学科", "重症医学科", (("D440800000113", "邓超"),))


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as the record says it."""

    code: str
    name: str
    item: Item
    general: bool


@dataclass(frozen=True, slots=True)
class Illness:
    """Why somebody is in hospital: main diagnosis, what goes with it, where, and how long."""

    code: str
    name: str
    ward: Ward
    days: tuple[int, int]
    others: tuple[tuple[str, str], ...]
    operation: Operation | None = None
    herbs: bool = False


_HYPERTENSION: Final = ("I10.x00", "高血压病")
_DIABETES: Final = ("E11.900", "2型糖尿病")
_CORONARY: Final = ("I25.103", "冠状动脉粥样硬化性心脏病")
_ANAEMIA: Final = ("D64.900", "贫血")
ILLNESSES: Final = (
    Illness("I20.000", "不稳定性心绞痛", WARDS[0], (5, 9), (_HYPERTENSION, _CORONARY, _DIABETES),
            Operation("36.0601", "经皮冠状动脉支架置入术", SURGERY[3], general=False)),
    Illness("I50.907", "慢性心力衰竭", WARDS[0], (8, 14), (_HYPERTENSION, _CORONARY)),
    Illness("J18.900", "肺炎", WARDS[1], (7, 12), (_HYPERTENSION, _ANAEMIA)),
    Illness("J44.100", "慢性阻塞性肺疾病急性加重期", WARDS[1], (8, 13), (_HYPERTENSION, _CORONARY)),
    Illness("E11.700", "2型糖尿病伴有多个并发症", WARDS[2], (7, 11), (_HYPERTENSION, ("E78.500", "高脂血症"))),
    Illness("K80.100", "胆囊结石伴慢性胆囊炎", WARDS[3], (4, 7), (_HYPERTENSION, _DIABETES),
            Operation("51.2300", "腹腔镜下胆囊切除术", SURGERY[0], general=True)),
    Illness("K35.800", "急性阑尾炎", WARDS[3], (4, 6), (),
            Operation("47.0100", "腹腔镜下阑尾切除术", SURGERY[1], general=True)),
    Illness("H25.900", "老年性白内障", WARDS[4], (2, 3), (_HYPERTENSION, _DIABETES),
            Operation("13.4100x001", "白内障超声乳化抽吸术", SURGERY[2], general=False)),
    Illness("I69.300", "脑梗死后遗症", WARDS[5], (10, 16), (_HYPERTENSION, _DIABETES), herbs=True),
    Illness("M51.202", "腰椎间盘突出", WARDS[5], (8, 12), (("M81.900", "骨质疏松症"),), herbs=True),
)  # fmt: skip
SURNAMES: Final = "陈李黄张梁林王吴刘何罗郑谢许周邓叶杨冯曾"
GIVEN: Final = {"1": "建国志强伟明华军勇杰涛超文斌海生", "2": "秀英丽敏静芳兰玉珍梅燕霞红娟莲凤"}
