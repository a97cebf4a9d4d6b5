#!/bin/sh
# One VM with govc: ISO into its CD drive, drive connected, CD first. GOVC_* in the environment.
# Usage: govc_attach.sh ISO VM
set -eu
govc device.cdrom.insert -vm "$2" "$1" || {
    govc device.cdrom.add -vm "$2"
    govc device.cdrom.insert -vm "$2" "$1"
}
govc device.connect -vm "$2" "$(govc device.ls -vm "$2" | awk '/^cdrom-/ { print $1; exit }')"
govc device.boot -vm "$2" -order cdrom,disk,ethernet
