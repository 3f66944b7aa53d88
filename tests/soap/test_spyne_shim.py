"""spyne loads, and works, on the interpreter that runs these tests (``make test-all`` runs them on every one)."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import version

import pytest

from gateway.soap import spyne_shim

LOAD = """
import logging
logging.basicConfig(level=logging.DEBUG)
import gateway.soap.spyne_shim
import spyne.util.six.moves.urllib.parse
from spyne.util import six
from spyne import Application, Service, Unicode, rpc
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication
from spyne.util.wsgi_wrapper import WsgiMounter
assert six.get_function_name(len) == "len"
assert six.moves.urllib.parse.quote("a b") == "a%20b"

class Greeter(Service):
    @rpc(Unicode, _returns=Unicode)
    def greet(ctx, name):
        return "你好" + name

application = WsgiApplication(Application([Greeter], "urn:t", "t", Soap11(), Soap11()))
body = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><greet xmlns="urn:t">' \\
    '<name>张</name></greet></e:Body></e:Envelope>'.encode()
import io
environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "x", "SERVER_PORT": "1",
    "wsgi.url_scheme": "http", "CONTENT_TYPE": "text/xml; charset=utf-8", "CONTENT_LENGTH": str(len(body)),
    "wsgi.input": io.BytesIO(body)}
answer = b"".join(application(environ, lambda status, headers: None)).decode()
assert "你好张" in answer, answer
"""


def in_a_fresh_interpreter(text: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", text]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_pinned_version_is_installed() -> None:
    assert version("spyne") == spyne_shim.SPYNE_VERSION == "2.14.0"


def test_spyne_answers_a_call_and_loading_it_warns_of_nothing() -> None:
    done = in_a_fresh_interpreter(LOAD, "-W", "error", "-X", "utf8")
    assert done.returncode == 0, done.stderr


def test_the_six_of_other_libraries_stays_as_it_was() -> None:
    six = importlib.import_module("six")
    assert not hasattr(six, "get_function_name")
    assert six.__name__ == "six"


def test_installing_again_changes_nothing() -> None:
    before = sys.modules["spyne.util.six"]
    spyne_shim.install()
    assert sys.modules["spyne.util.six"] is before


def test_another_version_is_refused_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["spyne"], "__version__", "2.15.0")
    with pytest.raises(ImportError, match=r"spyne 2\.14\.0 is required, 2\.15\.0 is installed"):
        spyne_shim.install()


def test_the_logger_that_writes_whole_envelopes_is_silent() -> None:
    text = LOAD.replace("</greet>", "</broken>").split("answer =")[0]
    text += "b''.join(application(environ, lambda status, headers: None))"
    done = in_a_fresh_interpreter(text, "-X", "utf8")
    assert done.returncode == 0, done.stderr
    assert "张" not in done.stderr
