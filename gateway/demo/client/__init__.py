"""The demo's hospital system: a program that knows the published WSDL and nothing else of the gateway.

It imports nothing from outside this folder but the standard library and zeep (tests/demo/test_client.py holds it to
that), so that what it shows is what any vendor's client can do.
"""
