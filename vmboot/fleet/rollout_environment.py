"""The environment a rollout's processes get: what they need, and no secret.

ansible-runner stores the whole environment in a file of its artifacts, so it is a list of what goes
in rather than of what stays out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmboot.vsphere.credentials import Credentials

_KEPT = frozenset(
    {
        "HOME",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "NO_COLOR",
        "PYTHONPATH",
        "SHELL",
        "SSH_AUTH_SOCK",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
        "VMBOOT_CACHE",
        "VMBOOT_LOADERS",
        "VMBOOT_STATE",
    }
)
_KEPT_PREFIXES = ("ANSIBLE_", "LC_", "XDG_")
# A name that ends in _FILE holds a path, e.g. ANSIBLE_VAULT_PASSWORD_FILE.
_SECRETIVE = re.compile(r"(PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE_KEY)(?!.*_FILE$)", re.IGNORECASE)

#: Long enough for the result of a wave of 5,000 machines; beyond it ansible-runner drops a result.
_MAX_RESULT = 64 * 1024 * 1024


def scrubbed(source: Mapping[str, str], *, secret: str) -> dict[str, str]:
    """What of ``source`` the processes of a rollout may see.

    :param secret: nothing that contains it is kept, whatever its name; ``""`` skips that check

    >>> scrubbed({"HOME": "/root", "ANSIBLE_BECOME_PASSWORD": "x", "AWS_KEY": "y"}, secret="")
    {'HOME': '/root'}
    """
    return {
        name: value
        for name, value in source.items()
        if (name in _KEPT or name.startswith(_KEPT_PREFIXES))
        and not _SECRETIVE.search(name)
        and not (secret and secret in value)
    }


def ansible_environment(source: Mapping[str, str], home: Path, *, secret: str) -> dict[str, str]:
    """The environment of ``ansible-playbook`` itself.

    :param home: the rollout's private folder; Ansible's own temporary files go there
    """
    tools = Path(sys.executable).parent
    return scrubbed(source, secret=secret) | {
        "PATH": f"{tools}:{source.get('PATH', '/usr/local/bin:/usr/bin:/bin')}",
        "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "ANSIBLE_NOCOLOR": "True",
        "MAX_EVENT_RES": str(_MAX_RESULT),
    }


def login_environment(credentials: Credentials, password_file: Path) -> dict[str, str]:
    """Where the modules read the password of this host and user, and of no other."""
    return {
        "VMBOOT_HOST": credentials.host,
        "VMBOOT_PORT": str(credentials.port),
        "VMBOOT_USER": credentials.user,
        "VMBOOT_PASSWORD_FILE": str(password_file),
    }


def login_options(credentials: Credentials) -> dict[str, Any]:
    """The rest of the login, as options of the modules; they win over the fleet document."""
    options = {
        "hostname": credentials.host,
        "port": credentials.port,
        "username": credentials.user,
        "thumbprint": credentials.thumbprint,
        "ca_file": credentials.ca_file and str(Path(credentials.ca_file).absolute()),
        "validate_certs": not credentials.insecure,
    }
    return {name: value for name, value in options.items() if value is not None}
