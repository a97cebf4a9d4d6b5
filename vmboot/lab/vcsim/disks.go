package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Disks of a spec: new ones, existing ones, edits.

func (d *draft) editDisk(i int, spec *types.VirtualDeviceConfigSpec, disk, old *types.VirtualDisk) *refusal {
	if spec.FileOperation != "" {
		return refuse("disk-backing", invalidOperation(i), "An edit has no file operation.")
	}
	if reflect.TypeOf(disk.Backing) != reflect.TypeOf(old.Backing) || fileBacking(disk) != fileBacking(old) {
		return refuse("disk-backing", invalidOperation(i), "An edit keeps the file %s.", fileBacking(old))
	}
	if diskMode(disk) != diskMode(old) {
		switch {
		case d.on:
			return d.live("live-disk-mode", "The mode of a disk cannot be changed while %s is powered on.", d.vm.Name)
		case d.l.inSnapshot(d.vm, old):
			return refuse("snapshot-disk-mode", &types.DisallowedDiskModeChange{
				InvalidDeviceSpec: *invalidDevice(i).(*types.InvalidDeviceSpec),
			}, "%s is part of a snapshot.", fileBacking(old))
		}
	}
	if disk.CapacityInBytes == 0 && disk.CapacityInKB == 0 {
		disk.CapacityInBytes, disk.CapacityInKB = old.CapacityInBytes, old.CapacityInKB
	}
	if disk.CapacityInBytes == 0 {
		disk.CapacityInBytes = disk.CapacityInKB * 1024
	}
	disk.CapacityInKB = disk.CapacityInBytes / 1024
	if disk.CapacityInBytes < old.CapacityInBytes {
		return refuse("disk-backing", invalidOperation(i), "A disk does not shrink.")
	}
	keepFields(disk, old, "DiskObjectId", "NativeUnmanagedLinkedClone")
	keepBacking(disk.Backing, old.Backing)
	return nil
}

func keepFields(dst, src interface{}, names ...string) {
	to, from := reflect.ValueOf(dst).Elem(), reflect.ValueOf(src).Elem()
	for _, name := range names {
		f := to.FieldByName(name)
		if f.IsValid() && f.IsZero() {
			f.Set(from.FieldByName(name))
		}
	}
}

func keepBacking(dst, src types.BaseVirtualDeviceBackingInfo) {
	switch b := dst.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		keepFields(b, src, "Datastore", "BackingObjectId", "DiskMode", "Split", "WriteThrough", "Parent",
			"ThinProvisioned", "EagerlyScrub", "Uuid", "ContentId", "ChangeId", "DigestEnabled", "KeyId")
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		keepFields(b, src, "Datastore", "BackingObjectId", "DiskMode", "LunUuid", "DeviceName",
			"CompatibilityMode", "Uuid", "ContentId", "ChangeId")
	}
}

func diskMode(disk *types.VirtualDisk) string {
	mode := ""
	switch b := disk.Backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		mode = b.DiskMode
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		mode = b.DiskMode
	}
	if mode == "" {
		return string(types.VirtualDiskModePersistent)
	}
	return mode
}

func (d *draft) addDisk(i int, spec *types.VirtualDeviceConfigSpec, disk *types.VirtualDisk) *refusal {
	backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if !ok {
		return refuse("spec-known", invalidDevice(i), "The lab only knows flat disks, not %T.", disk.Backing)
	}
	if backing.DiskMode == "" {
		backing.DiskMode = string(types.VirtualDiskModePersistent)
	}
	if d.vm.Config.KeyId != nil && backing.KeyId == nil {
		return refuse("encrypted-plain", invalidOperation(i), "%s is encrypted: it takes no plain disk.", d.vm.Name)
	}
	clone := *backing
	backing = &clone
	disk.Backing = backing
	if spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationCreate {
		return d.addNewDisk(i, disk, backing)
	}
	_, file, no := d.reachable(backing.FileName)
	if no != nil {
		return no
	}
	capacity, no := d.l.checkDescriptor(backing.FileName, file)
	if no != nil {
		return no
	}
	if disk.CapacityInBytes != 0 && disk.CapacityInBytes != capacity ||
		disk.CapacityInKB != 0 && disk.CapacityInKB != capacity/1024 {
		return refuse("disk-capacity", invalidDevice(i), "%s has %d bytes, not as many as the spec says.",
			backing.FileName, capacity)
	}
	disk.CapacityInBytes, disk.CapacityInKB = capacity, capacity/1024
	d.bindDisk(backing)
	if d.on && hasDisk(d.devices, backing.FileName, disk.Key) {
		return refuse("disk-exclusive", &types.FileLocked{FileFault: types.FileFault{File: backing.FileName}},
			"%s is open by %s itself.", backing.FileName, d.vm.Name)
	}
	if other := d.l.opensAgainst(d.vm.Self, disk); d.on && other != "" {
		return refuse("disk-exclusive", &types.FileLocked{FileFault: types.FileFault{File: backing.FileName}},
			"%s is open by %s.", backing.FileName, other)
	}
	return nil
}

func (d *draft) addNewDisk(i int, disk *types.VirtualDisk, backing *types.VirtualDiskFlatVer2BackingInfo) *refusal {
	if disk.CapacityInBytes == 0 {
		disk.CapacityInBytes = disk.CapacityInKB * 1024
	}
	disk.CapacityInKB = disk.CapacityInBytes / 1024
	if disk.CapacityInBytes <= 0 {
		return refuse("disk-new", invalidDevice(i), "A new disk has a capacity.")
	}
	backing.FileName = d.newDiskName(backing.FileName)
	p, file, no := d.reachable(backing.FileName)
	if no == nil {
		no = d.l.checkTop(backing.FileName, cannotMake(backing.FileName))
	}
	if no != nil {
		return no
	}
	for _, part := range []string{file, flatName(file)} {
		if _, err := os.Lstat(part); err == nil {
			return refuse("disk-new", &types.FileAlreadyExists{FileFault: types.FileFault{File: backing.FileName}},
				"%s exists.", backing.FileName)
		}
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return refuse("disk-new", fileNotFound(backing.FileName), "The directory of %s is missing.", backing.FileName)
	}
	thin := isTrue(backing.ThinProvisioned)
	if !thin {
		if no := d.l.checkSpace(p.Datastore, disk.CapacityInBytes); no != nil {
			return no
		}
	}
	d.create = append(d.create, newDisk{backing.FileName, file, disk.CapacityInBytes, thin})
	d.bindDisk(backing)
	return nil
}

func (d *draft) newDiskName(name string) string {
	var home, p object.DatastorePath
	home.FromString(d.vm.Config.Files.VmPathName)
	if p.FromString(name) && path.Ext(p.Path) == ".vmdk" {
		return name
	}
	for n := 0; ; n++ {
		file := fmt.Sprintf("%s_%d.vmdk", d.vm.Name, n)
		candidate := fmt.Sprintf("[%s] %s", home.Datastore, path.Join(path.Dir(home.Path), file))
		_, local, no := d.l.parseDatastorePath(candidate)
		if no != nil {
			return candidate
		}
		if _, err := os.Stat(local); err != nil {
			return candidate
		}
	}
}

func (d *draft) reachable(name string) (object.DatastorePath, string, *refusal) {
	p, file, fault := d.l.parseDatastorePath(name)
	if fault != nil {
		return p, file, refuse("iso-reachable", fault, "%q names no datastore of this datacenter.", name)
	}
	if !d.l.mounts(d.vm.Runtime.Host, p.Datastore) {
		return p, file, refuse("iso-reachable", &types.InvalidDatastore{
			Datastore: &d.l.datastore(p.Datastore).Self, Name: p.Datastore,
		}, "The host of %s does not reach datastore %s.", d.vm.Name, p.Datastore)
	}
	return p, file, nil
}

func (d *draft) bindDisk(backing *types.VirtualDiskFlatVer2BackingInfo) {
	p, _, _ := d.l.parseDatastorePath(backing.FileName)
	ref := d.l.places[p.Datastore].ref
	backing.Datastore = &ref
	backing.FileName = d.l.byIDName(backing.FileName)
	for _, b := range []**bool{&backing.Split, &backing.WriteThrough, &backing.ThinProvisioned, &backing.EagerlyScrub} {
		if *b == nil {
			*b = types.NewBool(false)
		}
	}
	backing.Parent = d.l.parentBacking(backing.FileName)
	if backing.Uuid == "" {
		backing.Uuid = fixedUUID("disk", backing.FileName)
	}
}

// touchFiles makes and deletes the disk files that the draft asks for.
func (d *draft) touchFiles(*simulator.Context) *refusal {
	for n, disk := range d.create {
		if no := d.l.makeDisk(disk.name, disk.file, disk.capacity, disk.thin); no != nil {
			for _, made := range d.create[:n] {
				_ = d.l.removeDisk(made.name)
			}
			return no
		}
	}
	for _, name := range d.destroy {
		_ = d.l.removeDisk(name)
	}
	return nil
}
