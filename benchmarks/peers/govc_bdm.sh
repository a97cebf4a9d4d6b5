#!/bin/sh
# One VM with govc: a copy of the master in the VM's folder, at the place of its first disk, which
# moves one on; then disk and network in the boot order. GOVC_* in the environment.
# Usage: govc_bdm.sh MASTER VM     (MASTER: path on the VM's datastore)
set -eu
old=$(govc device.ls -vm "$2" | awk '/^disk-/ { print $1; exit }')
facts=$(govc device.info -vm "$2" "$old")
controller=$(echo "$facts" | awk '/Controller:/ { print $2 }')
file=$(echo "$facts" | sed -n 's/^ *File: *//p')
path=${file#*] }
store=${file%%]*}
GOVC_DATASTORE=${store#[}
export GOVC_DATASTORE
copy=$(dirname "$path")/$(basename "$1")
govc datastore.cp "$1" "$copy" >/dev/null
govc device.remove -vm "$2" -keep "$old"
govc vm.disk.attach -vm "$2" -link=false -controller "$controller" -disk "$copy"
govc vm.disk.attach -vm "$2" -link=false -controller "$controller" -disk "$path"
govc device.boot -vm "$2" -order disk,ethernet
