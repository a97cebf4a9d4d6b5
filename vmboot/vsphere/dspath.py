"""Datastore paths: ``"[shared-01] pvs-001/pvs-001.vmx"``. A file may lie in no folder at all."""

from __future__ import annotations


def file_name(path: str) -> str:
    """The last part.

    >>> file_name("[shared-01] pvs-001.vmx")
    'pvs-001.vmx'
    """
    return path.rpartition("/")[2].rpartition("] ")[2]


def folder_of(path: str) -> str:
    """The folder of a file, also a datastore path; ``""`` where ``path`` names no datastore.

    >>> folder_of("[shared-01] web [1]/web [1].vmx"), folder_of("[shared-01] web.vmx")
    ('[shared-01] web [1]', '[shared-01]')
    """
    folder, slash, _name = path.rpartition("/")
    if slash:
        return folder
    datastore, end, _name = path.partition("] ")
    return f"{datastore}]" if end else ""
