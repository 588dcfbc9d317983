"""Python runs this before anything else where PYTHONPATH names its directory: the faults' processes, and theirs."""

import os

from tests.faults.unguarded import VARIABLE, change

for name in filter(None, os.environ.get(VARIABLE, "").split(",")):
    change(name)
