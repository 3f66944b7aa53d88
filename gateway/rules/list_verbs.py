"""The closed set of verbs of the settlement list's quality rules (``mappings/rules/settlement-list.yaml``)."""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from gateway.rules.list_view import View, in_codes, is_duration, matching, minutes, number, precedes, span, when
from gateway.rules.message import Row, text

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS: Final = "10X98765432"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A check that does not hold, with the values compared."""

    found: str = ""
    expected: str = ""
    path: str = ""
    """The field it is about, where a check names several."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A check that could not be made, and what is missing."""

    reason: str


Outcome = Wrong | Lacking | None
"""None: it holds."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a check is asked: the list, and the row of ``node`` where rows are asked one by one.

    Args:
        label: the Chinese name of a field.
    """

    view: View
    node: str
    row: Row | None
    label: Callable[[str, str], str]

    def value(self, path: str) -> str | None:
        return self.view.value(path, self.node, self.row)

    def lacking(self, path: str, value: str | None) -> Lacking:
        name = self.label(path, self.node)
        return Lacking(f"【{name}】未填写" if value == "" else f"没有【{name}】")


Verb = Callable[[Mapping[str, Any], Scope], Outcome]


# ------------------------------------------------------------------ one field


def _filled(args: Mapping[str, Any], scope: Scope) -> Outcome:
    lacking: Outcome = None
    for path in args["fields"]:
        found = scope.value(path)
        if found is None:
            lacking = lacking or scope.lacking(path, None)
        elif not found:
            return Wrong("空", "已填写", path)
    return lacking


def _empty(args: Mapping[str, Any], scope: Scope) -> Outcome:
    for path in args["fields"]:
        found = scope.value(path)
        if found is None:
            return scope.lacking(path, None)
        if found and (amount := number(found)) != 0:
            return Wrong(found if amount is None else f"{amount:f}", "空", path)
    return None


def _of_field(judge: Callable[[Mapping[str, Any], str], Outcome]) -> Verb:
    """A verb about the value of one field: an empty one cannot be judged."""

    def verb(args: Mapping[str, Any], scope: Scope) -> Outcome:
        path = args["field"]
        found = scope.value(path)
        if not found:
            return scope.lacking(path, found)
        outcome = judge(args, found)
        return replace(outcome, path=path) if isinstance(outcome, Wrong) else outcome

    return verb


def _codes(args: Mapping[str, Any], found: str) -> Outcome:
    return None if found in args["values"] else Wrong(found, "、".join(args["values"])[:60])


def _not_codes(args: Mapping[str, Any], found: str) -> Outcome:
    return Wrong(found) if found in args["values"] else None


def _begins(args: Mapping[str, Any], found: str) -> Outcome:
    return None if in_codes(found, args["with"]) else Wrong(found, "、".join(args["with"]))


def _not_begins(args: Mapping[str, Any], found: str) -> Outcome:
    return Wrong(found) if in_codes(found, args["with"]) else None


def _pattern(args: Mapping[str, Any], found: str) -> Outcome:
    return None if args["is"].fullmatch(found) else Wrong(found)


def _range(args: Mapping[str, Any], found: str) -> Outcome:
    value = number(found)
    if value is None:
        return Wrong(found, "数字")
    low, high, step = (number(str(args[name])) if name in args else None for name in ("from", "to", "multiple"))
    beyond = (low is not None and value < low) or (high is not None and value > high)
    uneven = step is not None and value % step != 0
    return (
        Wrong(found, f"{low if low is not None else ''}至{high if high is not None else ''}")
        if beyond or uneven
        else None
    )


# ------------------------------------------------------------------ comparisons


def _compare(args: Mapping[str, Any], scope: Scope) -> Outcome:
    left, right = args["left"], args["right"]
    found = scope.value(left)
    expected = scope.value(right) if _is_path(right) else str(right)
    if not found:
        return scope.lacking(left, found)
    if not expected:
        return scope.lacking(right, expected)
    one, other = (_as(args["as"], value) for value in (found, expected))
    if one is None or other is None:
        return Lacking(f"{found if one is None else expected} 无法比较")
    held = _OPERATORS[args["is"]](one, other)
    if not held and args["is"] == "==" and "tolerance" in args:
        held = abs(one - other) <= Decimal(str(args["tolerance"]))
    return None if held else Wrong(found, expected, left)


def _as(kind: str, raw: str) -> Any:
    if kind == "number":
        return number(raw)
    if kind == "duration":
        return minutes(raw)
    told = when(raw)
    if told is None or (kind == "minute" and told.day_only):
        return None
    return told.at.date() if kind == "day" else told.at


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "/" in value and value[0].isalpha()


def _ordered(args: Mapping[str, Any], scope: Scope) -> Outcome:
    told = [(path, scope.value(path)) for path in args["fields"]]
    known = [(path, value, when(value)) for path, value in told if value]
    readable = [(path, value, at) for path, value, at in known if at is not None]
    if len(readable) < 2:
        path, value = next(((path, value) for path, value in told if not value or when(value) is None), told[0])
        return scope.lacking(path, value) if not value else Lacking(f"{value} 不是时间")
    for (_, before, first), (path, after, last) in itertools.pairwise(readable):
        if not precedes(first, last):
            return Wrong(after, before, path)
    return None


def _sum(args: Mapping[str, Any], scope: Scope) -> Outcome:
    total, filled = Decimal(0), False
    for path in args["of"]:
        values = scope.view.column(path) if "/" in path else _as_list(scope.value(path))
        if values is None:
            return scope.lacking(path, None)
        for raw in values:
            filled |= bool(raw)
            total += number(raw) or 0
    if not filled:
        return scope.lacking(args["of"][0], "")
    to = args["to"]
    expected = scope.value(to) if isinstance(to, str) and not to[0].isdigit() else str(to)
    wanted = number(expected)
    if wanted is None:
        return scope.lacking(str(to), expected)
    held = _OPERATORS[args["is"]](total, wanted)
    held |= args["is"] == "==" and abs(total - wanted) <= Decimal(str(args.get("tolerance", 0)))
    return None if held else Wrong(f"{total:f}", f"{wanted:f}")


def _as_list(value: str | None) -> list[str] | None:
    return None if value is None else [value]


def _duration(args: Mapping[str, Any], scope: Scope) -> Outcome:
    told = [(path, scope.value(path)) for path in args["fields"]]
    for path, value in told:
        if value and not is_duration(value):
            return Wrong(value, "天/时/分", path)
    if not any(value for _, value in told):
        return scope.lacking(*told[0])
    return None


def _span(args: Mapping[str, Any], scope: Scope) -> Outcome:
    begin, end = (scope.value(path) or "" for path in args["fields"])
    lasted, told = span(begin, end), scope.value(args["to"])
    if lasted is None:
        return Lacking("起止时间未填写或先后颠倒")
    wanted = minutes(told)
    if wanted is None:
        return scope.lacking(args["to"], told)
    shown = f"{lasted // 1440}/{lasted // 60 % 24}/{lasted % 60}"
    return None if _OPERATORS[args["is"]](Decimal(lasted), wanted) else Wrong(told or "", shown, args["to"])


def _age(args: Mapping[str, Any], scope: Scope) -> Outcome:
    told = {name: scope.value(args[name]) for name in ("years", "days", "born", "at")}
    for name in ("born", "at"):
        if not told[name]:
            return scope.lacking(args[name], told[name])
    given = told["years"] or told["days"]
    if not given:
        return scope.lacking(args["years"], told["years"])
    birthday, day = when(told["born"]), when(told["at"])
    if birthday is None or day is None:
        return Lacking("出生日期或入院时间无法读出")
    born, at = birthday.at.date(), day.at.date()
    years = at.year - born.year - ((at.month, at.day) < (born.month, born.day))
    expected = (at - born).days if told["years"] in ("", None) else years
    unit = "天" if told["years"] in ("", None) else "岁"
    return None if number(given) == expected else Wrong(f"{given}{unit}", f"{expected}{unit}", args["years"])


# ------------------------------------------------------------------ identity number


def _id_card(args: Mapping[str, Any], scope: Scope) -> Outcome:
    card = scope.value(args["number"])
    if not card:
        return scope.lacking(args["number"], card)
    card = card.upper()
    sound = len(card) in (15, 18) and card[:-1].isdecimal() and (card[-1].isdecimal() or card[17:] == "X")
    if args["agrees"] == "form":
        checked = sound and (len(card) == 15 or _check_digit(card) == card[-1]) and _birthday(card) is not None
        return None if checked else Wrong(card)
    if not sound:
        return Lacking("身份证号格式错误")
    told = scope.value(args["with"])
    if not told:
        return scope.lacking(args["with"], told)
    if args["agrees"] == "birthday":
        return None if _birthday(card) == told[:10] else Wrong(_birthday(card) or card, told)
    sex = "1" if int(card[16] if len(card) == 18 else card[14]) % 2 else "2"
    return None if told not in ("1", "2") or told == sex else Wrong(sex, told)


def _check_digit(card: str) -> str:
    return _ID_CHECKS[sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, card, strict=False)) % 11]


def _birthday(card: str) -> str | None:
    digits = card[6:14] if len(card) == 18 else f"19{card[6:12]}"
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat()
    except ValueError:
        return None


# ------------------------------------------------------------------ rows


def _rows(args: Mapping[str, Any], scope: Scope) -> list[Row] | Lacking:
    found = scope.view.rows(args["rows"])
    return Lacking(f"本交易没有节点 {args['rows']}") if found is None else matching(found, args.get("where", {}))


def _count(args: Mapping[str, Any], scope: Scope) -> Outcome:
    found = _rows(args, scope)
    if isinstance(found, Lacking):
        return found
    if "begins" in args:
        found = [row for row in found if in_codes(text(row, args["field"]), args["begins"])]
    held = _OPERATORS[args["is"]](len(found), args["to"])
    return None if held else Wrong(str(len(found)), f"{args['is']} {args['to']}")


def _unique(args: Mapping[str, Any], scope: Scope) -> Outcome:
    found = _rows(args, scope)
    if isinstance(found, Lacking):
        return found
    keys = [(tuple(scope.view.value(path, args["rows"], row) or "" for path in args["by"]), row) for row in found]
    counted = Counter(key for key, _ in keys if all(key))
    touched = {key for key, row in keys if matching([row], args.get("touching", {}))}
    twice = [key for key, count in counted.items() if count > 1 and key in touched]
    return Wrong("、".join(" ".join(key) for key in twice)) if twice else None


def _apart(args: Mapping[str, Any], scope: Scope) -> Outcome:
    found = _rows(args, scope)
    if isinstance(found, Lacking):
        return found
    begin, end = args["fields"]
    told = sorted((text(row, begin), text(row, end)) for row in found if text(row, begin) and text(row, end))
    if len(told) < 2:
        return Lacking("不足两段可比的时间")
    for (_, ended), (begun, _) in itertools.pairwise(told):
        if begun < ended:
            return Wrong(f"{begun} 早于 {ended}")
    return None


def _needs(args: Mapping[str, Any], scope: Scope) -> Outcome:
    found = _rows(args, scope)
    if isinstance(found, Lacking):
        return found
    codes = [code for row in found if in_codes(code := text(row, args["field"]), args["if"])]
    if not codes:
        return None
    others = scope.view.rows(args.get("then_rows", args["rows"]))
    if others is None:
        return Lacking(f"本交易没有节点 {args['then_rows']}")
    there = any(in_codes(text(row, args.get("then_field", args["field"])), args["then"]) for row in others)
    return None if there else Wrong("、".join(codes), "、".join(args["then"]))


def _excludes(args: Mapping[str, Any], scope: Scope) -> Outcome:
    found = _rows(args, scope)
    if isinstance(found, Lacking):
        return found
    codes = [text(row, args["field"]) for row in found]
    for first, second, *instead in args["pairs"]:
        one = next((code for code in codes if in_codes(code, first)), "")
        other = next((code for code in codes if in_codes(code, second) and code != one), "")
        if one and other:
            return Wrong(f"【{one}】与【{other}】", "、".join(instead[0]) if instead else "")
    return None


# ------------------------------------------------------------------ catalogs


def _catalogued(args: Mapping[str, Any], scope: Scope) -> Outcome:
    code = scope.value(args["field"])
    if not code:
        return scope.lacking(args["field"], code)
    names = scope.view.names(args["catalog"], code)
    if names is None:
        return Lacking(f"没有下载目录 {args['catalog']}")
    return None if names else Wrong(code, f"{args['catalog']} 中的编码", args["field"])


def _named(args: Mapping[str, Any], scope: Scope) -> Outcome:
    code, told = scope.value(args["field"]), scope.value(args["name"])
    if not code or not told:
        return scope.lacking(*((args["name"], told) if code else (args["field"], code)))
    names = scope.view.names(args["catalog"], code)
    if names is None:
        return Lacking(f"没有下载目录 {args['catalog']}")
    if not names:
        return Lacking(f"目录 {args['catalog']} 中没有 {code}")
    same = "".join(told.split()) in {"".join(name.split()) for name in names}
    return None if same else Wrong(told, "、".join(names), args["name"])


def _unchecked(args: Mapping[str, Any], scope: Scope) -> Outcome:
    del scope
    return Lacking(str(args["reason"]))


VERBS: Final[Mapping[str, Verb]] = {
    "filled": _filled,
    "empty": _empty,
    "codes": _of_field(_codes),
    "not_codes": _of_field(_not_codes),
    "begins": _of_field(_begins),
    "not_begins": _of_field(_not_begins),
    "pattern": _of_field(_pattern),
    "range": _of_field(_range),
    "compare": _compare,
    "ordered": _ordered,
    "sum": _sum,
    "count": _count,
    "unique": _unique,
    "apart": _apart,
    "id_card": _id_card,
    "duration": _duration,
    "span": _span,
    "age": _age,
    "needs": _needs,
    "excludes": _excludes,
    "catalogued": _catalogued,
    "named": _named,
    "unchecked": _unchecked,
}
"""Every name a check may have; the schema lists the same."""


def ask(verb: str, args: Mapping[str, Any], scope: Scope) -> Outcome:
    """One check."""
    return VERBS[verb](args, scope)


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Of several checks that must all hold: the first wrong one, else what could not be made where none was made."""
    wrong = next((one for one in outcomes if isinstance(one, Wrong)), None)
    if wrong is not None or any(one is None for one in outcomes):
        return wrong
    return outcomes[0] if outcomes else None
