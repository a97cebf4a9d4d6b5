# Copyright the vmboot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that every module of this collection shares."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and requirements of a module that talks to a vCenter."""

    DOCUMENTATION = r"""
options:
  hostname:
    description:
      - Host name or address of the vCenter.
      - If not given, the fleet's C(vcenter.host), else the first of E(VMBOOT_HOST), E(GOVC_URL),
        E(VMWARE_HOST).
    type: str
    aliases: [host]
  port:
    description:
      - Port of O(hostname).
      - If not given, the fleet's C(vcenter.port), else the port in the variable that names the
        host, else E(VMBOOT_PORT), else 443.
    type: int
  username:
    description:
      - Who logs in.
      - If not given, the first of E(VMBOOT_USER), E(GOVC_USERNAME), E(VMWARE_USER).
    type: str
    aliases: [user]
  password:
    description:
      - The password of O(username).
      - If not given, the first of E(VMBOOT_PASSWORD), the first line of the file that
        E(VMBOOT_PASSWORD_FILE) names, E(GOVC_PASSWORD), E(VMWARE_PASSWORD), the keyring.
      - Prefer the environment. Ansible writes module options into a temporary file of the host
        that runs the module.
    type: str
  thumbprint:
    description:
      - SHA-256 thumbprint of the vCenter's certificate, with or without colons. When given, it is
        the only certificate that is accepted.
      - If not given, the fleet's C(vcenter.thumbprint), else E(VMBOOT_THUMBPRINT), else an entry in
        E(GOVC_TLS_KNOWN_HOSTS).
    type: str
  ca_file:
    description:
      - File with the certificates of the authorities that may sign the vCenter's certificate.
      - If not given, the fleet's C(vcenter.ca_file), else E(VMBOOT_CA_FILE), else
        E(GOVC_TLS_CA_CERTS), else the system's.
    type: path
  validate_certs:
    description:
      - V(false) accepts any certificate. O(thumbprint) is the safer way.
      - If not given, certificates are checked, unless E(VMBOOT_INSECURE) or E(GOVC_INSECURE) is
        true or E(VMWARE_VALIDATE_CERTS) is false.
    type: bool
requirements:
  - vmboot (the Python package) where the module runs, usually the control node
"""
