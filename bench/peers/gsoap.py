"""A gSOAP server in C, generated from the tables: typed structs in, JSON out. Built where Debian's gsoap and a compiler are."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.messages import Case
from bench.peers.peer import NotHere
from gateway.contract.published import NAMESPACE


def build(cases: Sequence[Case], folder: Path) -> list[str]:
    """The command that serves; the port is its argument. Raises NotHere."""
    for tool in ("soapcpp2", "cc"):
        if shutil.which(tool) is None:
            raise NotHere(f"{tool} is not installed (Debian: gsoap, gcc)")
    (folder / "bench.h").write_text(_header(cases), encoding="utf-8")
    (folder / "server.c").write_text(_server(cases), encoding="utf-8")
    _run(folder, "soapcpp2", "-c", "-S", "-L", "-x", "bench.h")
    _run(folder, "cc", "-O2", "-w", "-o", "server", "server.c", "soapC.c", "soapServer.c", "-lgsoap", "-lm")
    return [str(folder / "server")]


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise NotHere(f"{command[0]} failed: {done.stderr.strip().splitlines()[-1:]}")


def _name(name: str) -> str:
    """gSOAP reads an underscore as a hyphen."""
    return name.replace("_", "_USCORE")


def _nodes(case: Case) -> dict[str, tuple[list[str], bool]]:
    """Name of each node of a request: names of its leaves, whether it repeats."""
    found = {"head": (["opter", "opter_name", "opter_type", "insuplc_admdvs", "mac", "ip"], False)}
    for name, value in case.message.items():
        found[name] = (list(value[0] if isinstance(value, list) else value), isinstance(value, list))
    return found


def _header(cases: Sequence[Case]) -> str:
    parts = [
        "//gsoap ns service name: bench",
        "//gsoap ns service style: document",
        "//gsoap ns service encoding: literal",
        f"//gsoap ns schema namespace: {NAMESPACE}",
        "//gsoap ns schema elementForm: qualified",
    ]
    for case in cases:
        for name, (leaves, _) in _nodes(case).items():
            members = "".join(f" char *{_name(leaf)};" for leaf in leaves)
            parts.append(f"struct ns__{_struct(case, name)} {{{members} }};")
        arguments = ", ".join(
            (f"int __size{_name(name)}, " if repeat else "") + f"struct ns__{_struct(case, name)} *{_name(name)}"
            for name, (_, repeat) in _nodes(case).items()
        )
        answer = f"struct ns__Txn{case.infno}Response {{ char *infcode; char *msgid; }} *answer"
        parts.append(f"int ns__Txn{case.infno}({arguments}, {answer});")
    return "\n".join(parts) + "\n"


def _struct(case: Case, node: str) -> str:
    return f"t{case.infno}{node}".replace("_", "")


_MAIN = r"""
#include "soapH.h"
struct Namespace namespaces[] = {
  {"SOAP-ENV", "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/*/soap-envelope", NULL},
  {"SOAP-ENC", "http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/*/soap-encoding", NULL},
  {"xsi", "http://www.w3.org/2001/XMLSchema-instance", NULL, NULL},
  {"xsd", "http://www.w3.org/2001/XMLSchema", NULL, NULL},
  {"ns", "NAMESPACE", NULL, NULL}, {NULL, NULL, NULL, NULL}};
static char *out; static size_t used, room;
static void put(const char *s, size_t n) {
  if (used + n + 1 > room) { room = (used + n + 1) * 2; out = realloc(out, room); }
  memcpy(out + used, s, n); used += n;
}
static void text(const char *s) {
  const char *from = s; put("\"", 1);
  for (; s && *s; s++) if (*s == '"' || *s == '\\' || (unsigned char)*s < 32) {
    char code[8]; put(from, s - from); put(code, sprintf(code, "\\u%04x", *s)); from = s + 1; }
  if (from) put(from, s - from); put("\"", 1);
}
static int done(struct soap *soap, char **infcode, char **msgid) {
  *infcode = "0"; *msgid = soap_strdup(soap, used ? "000000000000000000000000000000" : "");
  used = 0; return SOAP_OK;
}
int main(int argc, char **argv) {
  struct soap soap; soap_init2(&soap, SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE, SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE);
  soap.max_keep_alive = 0; soap.bind_flags = SO_REUSEADDR;
  if (soap_bind(&soap, "127.0.0.1", atoi(argv[1]), 64) < 0) return 1;
  for (;;) { if (soap_accept(&soap) < 0) continue; soap_serve(&soap); soap_destroy(&soap); soap_end(&soap); }
}
"""


def _server(cases: Sequence[Case]) -> str:
    return _MAIN.replace("NAMESPACE", NAMESPACE) + "\n".join(map(_operation, cases))


def _operation(case: Case) -> str:
    nodes = _nodes(case)
    arguments = ", ".join(
        (f"int n_{name}, " if repeat else "") + f"struct ns__{_struct(case, name)} *{name}"
        for name, (_, repeat) in nodes.items()
    )
    lines = [
        f"int ns__Txn{case.infno}(struct soap *soap, {arguments}, struct ns__Txn{case.infno}Response *answer) {{",
        *('int i; put("{", 1);',),
    ]
    for name, (leaves, repeat) in nodes.items():
        lines.append(f'put("\\"{name}\\":[", {len(name) + 4});')
        lines.append(f'for (i = 0; i < {f"n_{name}" if repeat else "1"}; i++) {{ put(i ? ",{{" : "{{", i ? 2 : 1);')
        for number, leaf in enumerate(leaves):
            key = f'{"," if number else ""}\\"{leaf}\\":'
            lines.append(f'put("{key}", {len(leaf) + 3 + bool(number)}); text({name}[i].{_name(leaf)});')
        lines.append('put("}", 1); } put("],", 2);')
    lines.append("return done(soap, &answer->infcode, &answer->msgid); }")
    return "\n".join(lines) + "\n"
