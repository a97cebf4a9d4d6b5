package main

import (
	"path"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Who has which file: the disks of every VM, and what a running one has open.
// A disk has one writer (KB 313527) unless all that open it are multi-writers
// (KB 326781); ISO files and the parents of linked clones have readers.

type hold int

const (
	attached hold = iota // configured, not open
	reads
	shares
	writes
)

// openFiles are the files of one VM.
type openFiles struct {
	name  string
	files map[string]hold
	disks []string // attached ones and their parents, in or out of snapshots
}

// conflicts tells whether two VMs cannot have one file open like this.
func (h hold) conflicts(other hold) bool {
	return h != attached && other != attached && (h != other || h == writes)
}

// cleanPath writes a datastore path in one way, and the extent of a disk as
// its descriptor.
func cleanPath(name string) string {
	var p object.DatastorePath
	if !p.FromString(name) {
		return name
	}
	p.Path = path.Clean("/" + p.Path)[1:]
	p.Path = descriptorOf(p.Path)
	return p.String()
}

// diskHold is how a running VM opens a disk.
func diskHold(disk *types.VirtualDisk) hold {
	if multiWriter(disk) {
		return shares
	}
	return writes
}

// parentsOf lists the disks that a disk is a child of, nearest first.
func parentsOf(disk *types.VirtualDisk) []string {
	var names []string
	flat, _ := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	for flat != nil && flat.Parent != nil {
		flat = flat.Parent
		names = append(names, cleanPath(flat.FileName))
	}
	return names
}

// noteOpen records the files of a VM; the VM's lock is held.
func (l *lab) noteOpen(vm *simulator.VirtualMachine) {
	o := openFiles{name: vm.Name, files: map[string]hold{}}
	running := vm.Runtime.PowerState != poweredOff
	for _, dev := range vm.Config.Hardware.Device {
		name := fileBacking(dev)
		connect := dev.GetVirtualDevice().Connectable
		disk, isDisk := dev.(*types.VirtualDisk)
		switch {
		case name == "":
		case isDisk:
			o.disks = append(append(o.disks, cleanPath(name)), parentsOf(disk)...)
			if running {
				o.files[cleanPath(name)] = diskHold(disk)
				for _, parent := range parentsOf(disk) {
					o.files[parent] = reads
				}
			}
		case running && (connect == nil || connect.Connected):
			o.files[cleanPath(name)] = reads
		}
	}
	for _, dev := range l.snapshotDevices(vm) {
		if disk, ok := dev.(*types.VirtualDisk); ok {
			o.disks = append(append(o.disks, cleanPath(fileBacking(disk))), parentsOf(disk)...)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[vm.Self] = o
}

// forget drops what is known of the files of a VM that is gone.
func (l *lab) forget(ref types.ManagedObjectReference) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, ref)
	delete(l.private, ref)
	delete(l.policies, ref)
}

// openBy names a VM, other than except, that has a file open in a way that
// does not go together with want.
func (l *lab) openBy(file string, except types.ManagedObjectReference, want hold) string {
	file = cleanPath(l.byIDName(file))
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref, o := range l.open {
		if ref != except && o.files[file].conflicts(want) {
			return o.name
		}
	}
	return ""
}

// opensAgainst names a VM in whose way it would be to open a disk and its
// parents.
func (l *lab) opensAgainst(vm types.ManagedObjectReference, disk *types.VirtualDisk) string {
	if other := l.openBy(fileBacking(disk), vm, diskHold(disk)); other != "" {
		return other
	}
	for _, parent := range parentsOf(disk) {
		if other := l.openBy(parent, vm, reads); other != "" {
			return other
		}
	}
	return ""
}

// checkNotOpen refuses when a running VM uses the file, or one below it.
func (l *lab) checkNotOpen(name string) *refusal {
	user := l.openBy(name, types.ManagedObjectReference{}, writes)
	if name := l.byIDName(name); user == "" {
		user = l.eachFile(func(o openFiles) bool {
			for file, how := range o.files {
				if how != attached && below(file, name) {
					return true
				}
			}
			return false
		})
	}
	if user == "" {
		return nil
	}
	return inUse(name, user)
}

// checkReadable refuses when a running VM writes to the file.
func (l *lab) checkReadable(name string) *refusal {
	if user := l.openBy(name, types.ManagedObjectReference{}, reads); user != "" {
		return inUse(name, user)
	}
	return nil
}

func inUse(name, user string) *refusal {
	return refuse("file-in-use", &types.FileLocked{FileFault: types.FileFault{File: name}},
		"%s is in use by %s.", name, user)
}

// attachedTo names a VM or template, running or not, that a disk belongs to.
func (l *lab) attachedTo(name string) string {
	name = cleanPath(l.byIDName(name))
	return l.eachFile(func(o openFiles) bool { return o.hasDisk(func(disk string) bool { return disk == name }) })
}

// attachedBelow is attachedTo for a disk or for any disk below a directory.
func (l *lab) attachedBelow(name string) string {
	name = l.byIDName(name)
	clean := cleanPath(name)
	return l.eachFile(func(o openFiles) bool {
		return o.hasDisk(func(disk string) bool { return disk == clean || below(disk, name) })
	})
}

func (o openFiles) hasDisk(match func(string) bool) bool {
	for _, disk := range o.disks {
		if match(disk) {
			return true
		}
	}
	return false
}

// eachFile names the first VM whose files match.
func (l *lab) eachFile(match func(openFiles) bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.open {
		if match(o) {
			return o.name
		}
	}
	return ""
}

func below(file, directory string) bool {
	directory = cleanPath(directory)
	return strings.HasPrefix(file, strings.TrimRight(directory, "/")+"/") ||
		strings.HasSuffix(directory, "]") && strings.HasPrefix(file, directory+" ")
}
