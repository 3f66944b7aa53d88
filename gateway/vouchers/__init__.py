"""What a hospital hands out on paper about a stay: five kinds, one 入院时间 (ET-08, ET-11, ET-12).

``desk`` judges, keeps and reprints; ``sheet`` is what a voucher says; ``page`` and ``pdf`` draw it.
"""
