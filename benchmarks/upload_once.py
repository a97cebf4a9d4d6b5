"""One upload with vmboot's own code: ``python -m benchmarks.upload_once FILE DATASTORE PATH``.

Where the file is to come from, what its hash is and whether it arrived is part of the time, as it
is when ``vmboot apply`` uploads.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from vmboot.vsphere.credentials import resolve
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.placement import choose_datastore
from vmboot.vsphere.session import connect
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import upload


def main() -> int:
    """0 when the file is on the datastore."""
    file, wanted, path = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with file.open("rb") as source:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    with connect(resolve(use_keyring=False)) as session:
        moids = [entry.moid for entry in read_index(session).match("/DC1/vm/PVS/**/pvs-*")]
        machines = read_machines(session, moids)
        datastore = choose_datastore(read_storage(session), machines, wanted=wanted)
        upload(session, datastore=datastore, path=path, data=file, sha256=sha256)
    return 0


if __name__ == "__main__":
    sys.exit(main())
