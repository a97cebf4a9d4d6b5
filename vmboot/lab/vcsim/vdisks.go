package main

import (
	"os"
	"path"
	"path/filepath"

	"github.com/vmware/govmomi/vim25/types"
)

// VirtualDiskManager.  Its tasks are ours: the simulator's keep no capacity,
// overwrite, and copy holes as zeros.

// diskJob is a task of the virtual disk manager; faults find it by the name of
// the directory of its disk, which is that of a VM.
func (l *lab) diskJob(c call, method, disk string, run func() *refusal) job {
	j := l.fileJob(c, "", run)
	p, _, _ := l.parseDatastorePath(disk)
	top, below := cutPath(path.Dir(p.Path))
	j.subject = path.Join(l.namespaces.name(p.Datastore, top), below)
	j.description = "VirtualDiskManager." + method
	return j
}

func (l *lab) copyDisk(c call) (interface{}, *refusal) {
	var req types.CopyVirtualDisk_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	if req.DestSpec != nil {
		return nil, refuse("spec-known", &types.NotImplemented{}, "CopyVirtualDisk has no destSpec.")
	}
	return l.respond(l.diskJob(c, "copyVirtualDisk", req.DestName, func() *refusal {
		return l.duplicateDisk(req.SourceName, req.DestName)
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.CopyVirtualDisk_TaskResponse{Returnval: ref}
	})
}

func (l *lab) moveDisk(c call) (interface{}, *refusal) {
	var req types.MoveVirtualDisk_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	return l.respond(l.diskJob(c, "moveVirtualDisk", req.DestName, func() *refusal {
		return l.renameDisk(req.SourceName, req.DestName)
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.MoveVirtualDisk_TaskResponse{Returnval: ref}
	})
}

func (l *lab) deleteDisk(c call) (interface{}, *refusal) {
	var req types.DeleteVirtualDisk_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	return l.respond(l.diskJob(c, "deleteVirtualDisk", req.Name, func() *refusal {
		if _, _, no := l.ownDisk(req.Name); no != nil {
			return no
		}
		_ = l.removeDisk(req.Name)
		return nil
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.DeleteVirtualDisk_TaskResponse{Returnval: ref}
	})
}

func (l *lab) createDisk(c call) (interface{}, *refusal) {
	var req types.CreateVirtualDisk_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	spec, ok := req.Spec.(types.BaseFileBackedVirtualDiskSpec)
	if !ok || spec.GetFileBackedVirtualDiskSpec().CapacityKb <= 0 {
		return nil, refuse("disk-new", invalidArgument("spec.capacityKb"), "A new disk has a capacity.")
	}
	kind := types.VirtualDiskType(spec.GetFileBackedVirtualDiskSpec().DiskType)
	capacity := spec.GetFileBackedVirtualDiskSpec().CapacityKb * 1024
	return l.respond(l.diskJob(c, "createVirtualDisk", req.Name, func() *refusal {
		file, no := l.diskTarget(req.Name)
		if no != nil {
			return no
		}
		return l.makeDisk(req.Name, file, capacity, kind == types.VirtualDiskTypeThin)
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.CreateVirtualDisk_TaskResponse{Returnval: ref}
	})
}

// makeDisk writes an empty disk and takes its space.
func (l *lab) makeDisk(name, file string, capacity int64, thin bool) *refusal {
	if !thin {
		if no := l.reserve(l.datastoreOf(name), blocks(capacity)); no != nil {
			return no
		}
	}
	if _, err := l.writeDiskFiles(name, file, capacity, thin); err != nil {
		return cannotCreate(name, err)
	}
	return nil
}

func cannotCreate(name string, err error) *refusal {
	return refuse("disk-new", &types.CannotCreateFile{FileFault: types.FileFault{File: name}}, "%v", err)
}

// duplicateDisk copies a disk; the copy is thin or thick as its source.
func (l *lab) duplicateDisk(source, target string) *refusal {
	from, capacity, no := l.readableDisk(source)
	if no != nil {
		return no
	}
	to, no := l.diskTarget(target)
	if no != nil {
		return no
	}
	if no := l.checkWhole(source, from); no != nil {
		return no
	}
	parts := l.extentsOf(from)
	thin := isThin(from)
	use := blocks(capacity)
	if thin {
		use = allocated(parts[0])
	}
	if no := l.reserve(l.datastoreOf(target), use); no != nil {
		return no
	}
	extent, err := l.writeDiskFiles(target, to, capacity, thin)
	if err == nil {
		err = shareExtent(parts[0], extent)
	}
	if err != nil {
		return cannotCreate(target, err)
	}
	return nil
}

// checkWhole refuses what the lab cannot copy: a vCenter merges a child with
// its parents, and reads the device below a raw mapping.
func (l *lab) checkWhole(name, file string) *refusal {
	parts := l.extentsOf(file)
	if len(parts) != 1 || parts[0] != flatName(file) && len(l.objectsOf(file)) != 1 {
		return refuse("spec-known", &types.NotSupported{}, "The lab copies and moves flat disks only, not %s.", name)
	}
	return nil
}

// shareExtent makes to another name of the file from: a thousand copies cost
// nothing.  That is safe because nothing here changes a file in place; uploads,
// imports and copies onto it put a new file in its stead.
func shareExtent(from, to string) error {
	if err := os.Remove(to); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	return copyLocal(from, to)
}

// renameDisk moves a disk, also to another datastore.
func (l *lab) renameDisk(source, target string) *refusal {
	from, capacity, no := l.ownDisk(source)
	if no != nil {
		return no
	}
	to, no := l.diskTarget(target)
	if no != nil {
		return no
	}
	if l.datastoreOf(source) != l.datastoreOf(target) {
		if no := l.duplicateDisk(source, target); no != nil {
			return no
		}
		_ = l.removeDisk(source)
		return nil
	}
	if no := l.checkWhole(source, from); no != nil {
		return no
	}
	parts := l.extentsOf(from)
	thin := isThin(from)
	extent, err := l.writeDiskFiles(target, to, capacity, thin)
	if err != nil {
		return cannotCreate(target, err)
	}
	if err := os.Rename(parts[0], extent); err != nil {
		return cannotCreate(target, err)
	}
	_ = os.Remove(from)
	return nil
}

// readableDisk is a disk that may be read: a whole one that nobody writes to.
func (l *lab) readableDisk(name string) (file string, capacity int64, no *refusal) {
	if file, no = l.filePlace(name); no != nil {
		return file, 0, no
	}
	if _, err := os.Stat(file); err != nil {
		return file, 0, refuse("file-missing", fileNotFound(name), "File %s was not found.", name)
	}
	if no = l.checkReadable(name); no != nil {
		return file, 0, no
	}
	capacity, no = l.checkDescriptor(name, file)
	return file, capacity, no
}

// ownDisk is a disk that may be moved or deleted: no VM has it.
func (l *lab) ownDisk(name string) (file string, capacity int64, no *refusal) {
	if no = l.checkNotOpen(name); no != nil {
		return "", 0, no
	}
	if file, capacity, no = l.readableDisk(name); no != nil {
		return file, capacity, no
	}
	if vm := l.attachedTo(name); vm != "" {
		return file, 0, refuse("disk-attached", &types.FileLocked{FileFault: types.FileFault{File: name}},
			"%s is a disk of %s.", name, vm)
	}
	return file, capacity, nil
}

// diskTarget: a new disk overwrites nothing, not even with force, and its
// directory is there.
func (l *lab) diskTarget(name string) (string, *refusal) {
	file, no := l.filePlace(name)
	if no == nil {
		no = l.checkTop(name, cannotMake(name))
	}
	if no != nil {
		return file, no
	}
	for _, part := range []string{file, flatName(file)} {
		if _, err := os.Lstat(part); err == nil {
			return file, refuse("disk-new", &types.FileAlreadyExists{FileFault: types.FileFault{File: name}},
				"%s exists.", name)
		}
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.Mode().IsDir() {
		return file, refuse("disk-new", fileNotFound(name), "The directory of %s is missing.", name)
	}
	return file, nil
}
