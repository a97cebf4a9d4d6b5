"""One upload with vmboot's own code: ``python -m benchmarks.upload_once FILE DATASTORE PATH``."""

from __future__ import annotations

import sys
from pathlib import Path

from vmboot.vsphere.transfer import upload

from vmboot.vsphere.credentials import resolve
from vmboot.vsphere.session import connect


def main() -> int:
    file, datastore, path = sys.argv[1:]
    with connect(resolve(use_keyring=False)) as session:
        upload(session, datastore=datastore, path=path, file=Path(file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
