package main

import (
	"crypto/sha256"
	"fmt"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// snapshotDevices are the devices that the snapshots of a VM hold.
func (l *lab) snapshotDevices(vm *simulator.VirtualMachine) []types.BaseVirtualDevice {
	if vm.Snapshot == nil {
		return nil
	}
	var found []types.BaseVirtualDevice
	var walk func([]types.VirtualMachineSnapshotTree)
	walk = func(list []types.VirtualMachineSnapshotTree) {
		for _, s := range list {
			snapshot, ok := l.reg.Get(s.Snapshot).(*simulator.VirtualMachineSnapshot)
			if !ok {
				continue
			}
			found = append(found, snapshot.Config.Hardware.Device...)
			walk(s.ChildSnapshotList)
		}
	}
	walk(vm.Snapshot.RootSnapshotList)
	return found
}

// inSnapshot tells whether a snapshot of the VM holds the disk, or a parent of
// it: the running point of a disk is a child of what the snapshot keeps.
func (l *lab) inSnapshot(vm *simulator.VirtualMachine, disk *types.VirtualDisk) bool {
	files := append([]string{cleanPath(fileBacking(disk))}, parentsOf(disk)...)
	for _, dev := range l.snapshotDevices(vm) {
		for _, file := range files {
			if fileBacking(dev) != "" && cleanPath(fileBacking(dev)) == file {
				return true
			}
		}
	}
	return false
}

// relate brings datastore and network lists in step with the devices; the
// VM's lock is held.
func (l *lab) relate(vm *simulator.VirtualMachine) {
	names := []string{}
	seen := map[string]bool{}
	use := func(file string) {
		var p object.DatastorePath
		if p.FromString(file) && !seen[p.Datastore] {
			seen[p.Datastore] = true
			names = append(names, p.Datastore)
		}
	}
	use(vm.Config.Files.VmPathName)
	networks := []types.ManagedObjectReference{}
	for _, dev := range vm.Config.Hardware.Device {
		use(fileBacking(dev))
		if card, ok := dev.(types.BaseVirtualEthernetCard); ok {
			if b, ok := card.GetVirtualEthernetCard().Backing.(*types.VirtualEthernetCardNetworkBackingInfo); ok &&
				b.Network != nil {
				networks = append(without(networks, *b.Network), *b.Network)
			}
		}
	}
	stores := []types.ManagedObjectReference{}
	for _, name := range names {
		if ds := l.datastore(name); ds != nil {
			stores = append(stores, ds.Self)
		}
	}
	l.relink(vm, stores)
	vm.Datastore, vm.Network = stores, networks
}

func (l *lab) relink(vm *simulator.VirtualMachine, stores []types.ManagedObjectReference) {
	wanted := map[types.ManagedObjectReference]bool{}
	for _, ref := range stores {
		wanted[ref] = true
	}
	had := map[types.ManagedObjectReference]bool{}
	for _, ref := range vm.Datastore {
		had[ref] = true
	}
	change := func(ref types.ManagedObjectReference, add bool) {
		ds, ok := l.reg.Get(ref).(*simulator.Datastore)
		if !ok {
			return
		}
		l.locked(ds, func(*simulator.Context) {
			ds.Vm = without(ds.Vm, vm.Self)
			if add {
				ds.Vm = append(ds.Vm, vm.Self)
			}
		})
	}
	for ref := range had {
		if !wanted[ref] {
			change(ref, false)
		}
	}
	for ref := range wanted {
		if !had[ref] {
			change(ref, true)
		}
	}
}

// bindNetwork checks the network below a NIC and fills in its reference.
func (l *lab) bindNetwork(i int, card *types.VirtualEthernetCard) *refusal {
	b, ok := card.Backing.(*types.VirtualEthernetCardNetworkBackingInfo)
	if !ok {
		return refuse("spec-known", invalidDevice(i), "The lab only knows standard port groups, not %T.", card.Backing)
	}
	for _, e := range l.reg.All("Network") {
		if entityName(e) == b.DeviceName {
			clone := *b
			ref := e.Reference()
			clone.Network = &ref
			card.Backing = &clone
			return nil
		}
	}
	return refuse("spec-known", &types.NotFound{}, "There is no network %q.", b.DeviceName)
}

// fixedUUID makes the same UUID for the same name in every start.
func fixedUUID(kind, name string) string {
	sum := sha256.Sum256([]byte("vmboot-lab/" + kind + "/" + name))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// generatedMAC is the address of a NIC added later.
func generatedMAC(name string, unit int32) string {
	s := sha256.Sum256([]byte(fmt.Sprintf("nic/%s/%d", name, unit)))
	return fmt.Sprintf("00:50:56:%02x:%02x:%02x", 0x80|s[0]&0x3f, s[1], s[2])
}
