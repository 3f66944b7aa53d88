"""``python -m gateway.demo.client URL [day]``: the story, or the day, as a process of its own; a line of JSON per exchange.

When the day is as far as the clock, it says so in a line and goes on with a visit now and then.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone

import requests
import zeep

from gateway.demo.client._day import go_on, live
from gateway.demo.client._desk import Desk
from gateway.demo.client._story import tell
from gateway.demo.client._wire import Services

SHANGHAI = timezone(timedelta(hours=8))


def _now() -> datetime:
    return datetime.now(SHANGHAI).replace(microsecond=0)


def main(base: str, *, day: bool = False) -> int:
    """Tell the story to the gateway at ``base`` (``http://host:port``); 0 when every step went as expected.

    Args:
        day: live through a day instead.
    """
    now = _now()
    desk = Desk(Services(base.rstrip("/")), sys.stdout, f"{now:%y%m%d%H%M%S}", "DAY" if day else "DEMO")
    try:
        return _live(desk, now) if day else int(not tell(desk, now))
    except (requests.RequestException, zeep.exceptions.Error) as error:
        sys.stderr.write(f"无法读取 {base} 的 WSDL：{error}\n")
        return 1


def _live(desk: Desk, now: datetime) -> int:
    good = live(desk, now)
    sys.stdout.write(json.dumps({"day": good}) + "\n")
    sys.stdout.flush()
    go_on(desk, _now)
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["day"]):
        sys.stderr.write("用法：python -m gateway.demo.client http://127.0.0.1:8080 [day]\n")
        sys.exit(2)
    sys.exit(main(sys.argv[1], day=sys.argv[2:] == ["day"]))
