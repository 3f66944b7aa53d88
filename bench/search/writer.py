"""``python -m bench.search.writer URL KEYFILE RATE``: exchanges through the real store at a steady rate until stdin ends."""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Final

from bench.search.rows import INSTITUTION, person
from gateway import clock
from gateway.exchange.ports import Intent, Outcome, State
from gateway.protect import KeyFile
from gateway.store import Store, open_store

THREADS: Final = 8
BODY: Final = b"<request>" + b"0123456789" * 100 + b"</request>"


def main() -> None:
    url, key_file, rate = sys.argv[1:]
    store = open_store(url, node="writer", pool_size=THREADS, keys=KeyFile(Path(key_file)))
    stop = threading.Event()
    threading.Thread(target=_until_the_end, args=(stop,), daemon=True).start()
    started, before = time.monotonic(), time.time_ns()
    numbers = iter(range(1, sys.maxsize))
    lock = threading.Lock()

    def work() -> int:
        done = 0
        while True:
            with lock:
                number = next(numbers)
            # each exchange has its moment: who is late does not wait, so the rate is made up for
            if stop.wait(max(0.0, started + number / float(rate) - time.monotonic())):
                return done
            _exchange(store, before + number)
            done += 1
            if number == 1:
                print("writing", flush=True)

    with ThreadPoolExecutor(THREADS) as threads:
        done = sum(future.result() for future in [threads.submit(work) for _ in range(THREADS)])
    print(json.dumps({"exchanges": done, "seconds": time.monotonic() - started}), flush=True)
    store.close()


def _until_the_end(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def _exchange(store: Store, number: int) -> None:
    now, visit = clock.now(), f"NEW{number}"
    patient = person("psn_no", number % 1000)
    intent = Intent(
        infno="2301",
        safety="money",
        client="his",
        channel="typed",
        institution=INSTITUTION,
        received_at=now,
        mapping_version="0123456789abcdef",
        caller_request=BODY,
        caller_charset="utf-8",
        request_id=f"W{number}",
        content_hash=f"{number:064x}",
        msgid=f"W{number}",
        platform_request=BODY,
        keys=(("psn_no", patient), ("mdtrt_id", visit), ("ipt_no", visit)),
        busy_keys=(f"mdtrt_id:{visit}",),
        business_key=f"mdtrt_id:{visit}",
        opter="0001",
        province="guangdong",
        node="writer",
    )
    entry = store.journal.intend(intent)
    finished = now + timedelta(milliseconds=1)
    store.journal.finish(entry.id, Outcome(State.CONFIRMED, finished, BODY, infcode="0", elapsed_ms=1))


if __name__ == "__main__":
    main()
