"""Who comes to the demo's hospital, and what it charges. Everybody and every number is invented."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def identity_number(first17: str) -> str:
    """The eighteen characters of a resident identity number (GB 11643) from its first seventeen."""
    return first17 + "10X98765432"[sum(w * int(d) for w, d in zip(_WEIGHTS, first17, strict=True)) % 11]


@dataclass(frozen=True)
class Diagnosis:
    """A diagnosis of the insurance's ICD-10 edition."""

    code: str
    name: str


@dataclass(frozen=True)
class Department:
    """Where a patient lies or is seen; ``code`` is of the national list of departments."""

    code: str
    name: str
    doctor_code: str
    doctor: str


@dataclass(frozen=True)
class Patient:
    """A person with a reason to come; the county code 440899 is not in use, so nobody has these numbers."""

    name: str
    certno: str
    diagnoses: tuple[Diagnosis, ...]
    department: Department
    complaint: str
    bed: str = ""


@dataclass(frozen=True)
class Item:
    """A line of the price list: catalogue code of the insurance, code of the hospital, what it is, price in yuan."""

    codg: str
    own: str
    name: str
    price: Decimal
    count: Decimal
    approval: str = "1"
    """hosp_appr_flag; 2 is paid by the patient alone."""


RESPIRATORY = Department("A03.01", "呼吸与危重症医学科", "D440800000126", "周文博")
SURGERY = Department("A04.01", "普通外科", "D440800000311", "欧阳修远")
OUTPATIENT = Department("A03", "内科门诊", "D440800000087", "许静怡")

LIN = Patient(
    "林秀珍",
    identity_number("44089919610318202"),
    (Diagnosis("J18.900", "肺炎"), Diagnosis("I10.x00x002", "高血压病"), Diagnosis("E11.900", "2型糖尿病")),
    RESPIRATORY,
    "咳嗽、咳痰伴发热3天",
    "0312",
)
CHEN = Patient(
    "陈志强",
    identity_number("44089919850724101"),
    (Diagnosis("K35.900", "急性阑尾炎"),),
    SURGERY,
    "转移性右下腹痛8小时",
    "0607",
)
HUANG = Patient(
    "黄丽娟",
    identity_number("44089919920506304"),
    (Diagnosis("J06.900", "急性上呼吸道感染"),),
    OUTPATIENT,
    "咽痛、流涕1天",
)

CARDIOLOGY = Department("A03.04", "心血管内科", "D440800000142", "梁慧敏")
ORTHOPAEDICS = Department("A04.03", "骨科", "D440800000335", "司徒建业")
PNEUMONIA = (Diagnosis("J18.900", "肺炎"),)
ANGINA = (Diagnosis("I20.900", "心绞痛"), Diagnosis("I10.x00x002", "高血压病"))
APPENDICITIS = (Diagnosis("K35.900", "急性阑尾炎"),)
FRACTURE = (Diagnosis("S82.800", "踝关节骨折"),)
COLD = (Diagnosis("J06.900", "急性上呼吸道感染"),)
HYPERTENSION = (Diagnosis("I10.x00x002", "高血压病"),)
"""Reasons to come."""


def _patient(
    number: int, name: str, born: int, where: Department, why: tuple[Diagnosis, ...], complaint: str, bed: str = ""
) -> Patient:
    return Patient(name, identity_number(f"440899{born}{number:03d}"), why, where, complaint, bed)


INPATIENTS = (
    _patient(411, "梁永发", 19540211, CARDIOLOGY, ANGINA, "反复胸闷2周，加重1天", "0501"),
    _patient(412, "何丽珠", 19680930, CARDIOLOGY, ANGINA, "活动后胸痛3天", "0504"),
    _patient(413, "冯国强", 19791117, ORTHOPAEDICS, FRACTURE, "扭伤致右踝肿痛5小时", "0812"),
    _patient(414, "苏婉仪", 19900422, SURGERY, APPENDICITIS, "转移性右下腹痛12小时", "0609"),
    _patient(415, "郑启明", 19471203, RESPIRATORY, PNEUMONIA, "咳嗽、发热5天", "0315"),
    _patient(416, "邓秀英", 19620708, RESPIRATORY, PNEUMONIA, "咳嗽、气促1周", "0318"),
    _patient(417, "彭志华", 19830119, ORTHOPAEDICS, FRACTURE, "摔伤致左踝疼痛1天", "0815"),
    _patient(418, "欧阳嘉怡", 19950625, SURGERY, APPENDICITIS, "腹痛伴发热1天", "0611"),
    _patient(419, "罗广平", 19580314, CARDIOLOGY, ANGINA, "胸闷、心悸3天", "0507"),
    _patient(420, "谭少芬", 19730827, RESPIRATORY, PNEUMONIA, "发热、咳痰4天", "0320"),
    _patient(421, "曾伟雄", 19661009, ORTHOPAEDICS, FRACTURE, "车祸致右踝骨折6小时", "0818"),
    _patient(422, "潘小燕", 19880516, SURGERY, APPENDICITIS, "右下腹痛1天", "0614"),
    _patient(423, "邱振东", 19700103, CARDIOLOGY, ANGINA, "胸痛2小时，急诊入院", "0509"),
    _patient(424, "莫桂兰", 19490915, CARDIOLOGY, ANGINA, "反复胸闷1月", "0511"),
)
OUTPATIENTS = (
    _patient(431, "赖小敏", 19981211, OUTPATIENT, COLD, "咽痛2天"),
    _patient(432, "温家辉", 20010405, OUTPATIENT, COLD, "鼻塞、流涕3天"),
    _patient(433, "利淑贞", 19590728, OUTPATIENT, COLD, "咳嗽1天"),
    _patient(434, "叶文杰", 19860220, OUTPATIENT, COLD, "发热半天"),
)

CHRONIC = _patient(435, "劳月珍", 19570219, OUTPATIENT, HYPERTENSION, "高血压病十年，申请慢特病备案")


def _item(codg: str, own: str, name: str, price: str, count: str = "1", approval: str = "1") -> Item:
    return Item(codg, own, name, Decimal(price), Decimal(count), approval)


WARD_ITEMS = (
    _item("XJ01DDT125B002010100118", "YP010233", "注射用头孢曲松钠 1.0g", "12.867", "2"),
    _item("XB05XAL220B002010100204", "YP010017", "0.9%氯化钠注射液 100ml", "2.115", "3"),
    _item("XR05CBA203A001010100331", "YP020145", "盐酸氨溴索片 30mg×20片", "18.46"),
    _item("XC08CAA105A006010100052", "YP020071", "苯磺酸氨氯地平片 5mg×14片", "6.735"),
    _item("XA10BAE047A001010100087", "YP020093", "盐酸二甲双胍片 0.5g×30片", "9.2004"),
    _item("001201000040000-120100004", "FW110004", "Ⅱ级护理", "24"),
    _item("001109000010000-110900001", "FW110001", "普通病房床位费（三人间）", "43.50"),
    _item("001102000050000-110200005", "FW110010", "住院诊察费", "21"),
    _item("002501010150000-250101015", "JY250015", "血常规（五分类）", "18.80"),
    _item("002503010040000-250301004", "JY250301", "C反应蛋白测定", "32.45"),
    _item("002102000010000-210200001", "YX210200", "胸部CT平扫", "189.90"),
    _item("001204000060000-120400006", "FW120406", "静脉输液", "9.35", "2"),
    _item("C1401011810000701234", "HC140101", "一次性使用输液器 带针", "3.275", "2"),
    _item("C0204013240000105678", "HC020401", "一次性使用静脉留置针 24G", "16.333"),
    _item("009900000000001-990001", "QT990001", "陪护床使用费", "10", approval="2"),
)
VISIT_ITEMS = (
    _item("001102000010000-110200001", "FW110200", "普通门诊诊察费", "12"),
    _item("002501010150000-250101015", "JY250015", "血常规（五分类）", "18.80"),
    _item("XJ01FAA095A001010100442", "YP030211", "阿奇霉素片 0.25g×6片", "23.645", "2"),
    _item("XN02BEB117A001010100513", "YP030087", "布洛芬缓释胶囊 0.3g×20粒", "15.98"),
    _item("ZA01BAQ0208010204871", "YP040052", "清开灵颗粒 3g×12袋", "19.3725", "1.5"),
)
