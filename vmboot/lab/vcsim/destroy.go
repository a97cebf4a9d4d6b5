package main

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Destroy_Task of a VM: the VM, its attached disks and its own files go.

func (l *lab) destroyVM(c call) (interface{}, *refusal) {
	vm := l.vm(c.this)
	if vm == nil {
		return nil, nil // a folder or pool: the simulator's
	}
	if vm.Runtime.PowerState != poweredOff {
		return nil, refuse("destroy-off", invalidPower(poweredOff, vm.Runtime.PowerState),
			"%s is powered on.", vm.Name)
	}
	return l.respond(job{
		object: vm, label: vm.Name, name: c.name, description: "VirtualMachine.destroy", user: c.user,
		exclusive: true,
		run: func(ctx *simulator.Context) (types.AnyType, *refusal) {
			if vm.Runtime.PowerState != poweredOff {
				return nil, refuse("destroy-off", invalidPower(poweredOff, vm.Runtime.PowerState),
					"%s is powered on.", vm.Name)
			}
			return nil, l.erase(ctx, vm)
		},
	}, func(ref types.ManagedObjectReference) interface{} {
		return &types.Destroy_TaskResponse{Returnval: ref}
	})
}

// erase takes a VM out of the inventory and its files off the datastores; the
// VM's lock is held.
func (l *lab) erase(ctx *simulator.Context, vm *simulator.VirtualMachine) *refusal {
	res := invoke(vm, "UnregisterVM", ctx, &types.UnregisterVM{This: vm.Self})
	if f := res.Fault(); f != nil {
		fault, _ := f.VimFault().(types.BaseMethodFault)
		return &refusal{fault: fault, message: f.String}
	}
	l.forget(vm.Self)
	for _, dev := range vm.Config.Hardware.Device {
		if disk, ok := dev.(*types.VirtualDisk); ok && l.checkNotOpen(fileBacking(disk)) == nil {
			_ = l.removeDisk(fileBacking(disk)) // a parent stays: others may be its children
		}
	}
	l.removeHome(vm)
	return nil
}

// ownFiles are the ends of the file names that belong to the VM itself.
var ownFiles = map[string]bool{
	".vmx": true, ".vmxf": true, ".vmsd": true, ".vmsn": true, ".nvram": true, ".log": true, ".vswp": true,
}

// removeHome deletes the VM's own files and then its directory, when nothing
// else is in it; on an object store such as vSAN the directory is an object
// and goes with all that is in it.
func (l *lab) removeHome(vm *simulator.VirtualMachine) {
	var p object.DatastorePath
	p.FromString(vm.Config.Files.VmPathName)
	place, ok := l.places[p.Datastore]
	if home := path.Dir(p.Path); ok && home != "." {
		dir := filepath.Join(place.dir, filepath.FromSlash(home))
		if l.isObjectStore(p.Datastore) {
			freed := l.treeUse(dir)
			l.removeObjects(dir)
			_ = os.RemoveAll(dir)
			l.namespaces.forget(p.Datastore, home)
			l.giveBack(p.Datastore, freed)
			return
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if ownFiles[strings.ToLower(filepath.Ext(e.Name()))] {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
		_ = os.Remove(dir) // fails, as it should, while something is in it
	}
}
