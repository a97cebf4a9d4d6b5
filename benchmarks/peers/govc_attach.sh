#!/bin/sh
# One VM with govc: ISO into its CD drive, drive connected, CD first. GOVC_* in the environment.
# Usage: govc_attach.sh ISO VM
set -eu
cd=$(govc device.ls -vm "$2" | awk '/^cdrom-/ { print $1; exit }')
[ -n "$cd" ] || cd=$(govc device.cdrom.add -vm "$2")
govc device.cdrom.insert -vm "$2" -device "$cd" "$1"
govc device.connect -vm "$2" "$cd"
govc device.boot -vm "$2" -order cdrom,disk,ethernet
