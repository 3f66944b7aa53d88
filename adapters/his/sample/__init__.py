"""A believable HIS to try things on: its tables, and a generator of stays. The statements for it are ``conf/his``."""

from adapters.his.sample.generate import Sizes, write_sample

__all__ = ["Sizes", "write_sample"]
