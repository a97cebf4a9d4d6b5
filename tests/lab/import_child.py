"""An import that dies: ``python -m tests.lab.import_child MODULE FUNCTION WAY`` on stdin's lab.

The process ends, as by ``kill -9``, as soon as the named function of the library has returned.
"""

from __future__ import annotations

import importlib
import os
import sys

from tests.lab.import_bytes import PATH, RAW, SHA256, stream
from vmboot.vsphere.credentials import resolve
from vmboot.vsphere.importing import import_disk
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.session import connect
from vmboot.vsphere.storage import read_storage

DIED = 9


def main() -> int:
    module, function, way = sys.argv[1:]
    owner = importlib.import_module(f"vmboot.vsphere.{module}")
    original = getattr(owner, function)

    def last(*args, **kwargs):
        original(*args, **kwargs)
        os._exit(DIED)

    setattr(owner, function, last)
    with connect(resolve(use_keyring=False)) as session:
        import_disk(
            session,
            datastore=choice_of(read_storage(session).datastore("shared-01")[0]),
            path=PATH,
            raw=RAW,
            stream=stream,
            sha256=SHA256,
            way=way,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
