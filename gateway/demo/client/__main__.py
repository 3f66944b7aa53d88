"""``python -m gateway.demo.client URL``: the story as a process of its own, one line of JSON per exchange."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone

import requests
import zeep

from gateway.demo.client._desk import Desk
from gateway.demo.client._story import tell
from gateway.demo.client._wire import Services

SHANGHAI = timezone(timedelta(hours=8))


def main(base: str) -> int:
    """Tell the story to the gateway at ``base`` (``http://host:port``); 0 when every step went as expected."""
    now = datetime.now(SHANGHAI).replace(microsecond=0)
    desk = Desk(Services(base.rstrip("/")), sys.stdout, f"{now:%y%m%d%H%M%S}")
    try:
        return 0 if tell(desk, now) else 1
    except (requests.RequestException, zeep.exceptions.Error) as error:
        sys.stderr.write(f"无法读取 {base} 的 WSDL：{error}\n")
        return 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.stderr.write("用法：python -m gateway.demo.client http://127.0.0.1:8080\n")
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
