"""The façade over HTTP beside servers in other languages that do its work by their own means.

Each reads the same envelope, puts its leaves into types or fields, builds the platform's JSON and answers. Only the
gateway checks: lengths, numbers, calendar, code lists, what is required.
"""
