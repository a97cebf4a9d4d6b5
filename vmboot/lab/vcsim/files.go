package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Files of the datastores: FileManager calls, disk files, space.

// filePrivileges are needed on the datastore of every file operation.
var filePrivileges = []string{"Datastore.Browse", "Datastore.FileManagement"}

// usable refuses a datastore that takes no files now, or withheld privileges.
func (l *lab) usable(name string) *refusal {
	ds := l.datastore(name)
	if ds == nil {
		return refuse("file-missing", &types.InvalidDatastore{Name: name}, "There is no datastore %q.", name)
	}
	if no := l.allowed(ds.Self, filePrivileges...); no != nil {
		return no
	}
	return l.inService(name)
}

// inService refuses a datastore that takes no files now.
func (l *lab) inService(name string) *refusal {
	ds := l.datastore(name)
	if !ds.Summary.Accessible || ds.Summary.MaintenanceMode == "inMaintenance" {
		return refuse("datastore-state", &types.InvalidDatastore{Datastore: &ds.Self, Name: name},
			"Datastore %s is not accessible or in maintenance.", name)
	}
	return nil
}

// filePlace resolves "[datastore] path" and checks the datastore.
func (l *lab) filePlace(name string) (string, *refusal) {
	p, file, fault := l.parseDatastorePath(name)
	if fault != nil {
		return "", refuse("file-missing", fault, "%q is no file of this datacenter.", name)
	}
	return file, l.usable(p.Datastore)
}

// checkSpace refuses n bytes more than a datastore has free.
func (l *lab) checkSpace(datastore string, n int64) *refusal {
	if ds := l.datastore(datastore); ds != nil && ds.Summary.FreeSpace < n {
		return refuse("space", &types.NoDiskSpace{
			FileFault: types.FileFault{File: "[" + datastore + "]"}, Datastore: datastore,
		}, "Datastore %s is full: %d bytes free, %d needed.", datastore, ds.Summary.FreeSpace, n)
	}
	return nil
}

func (l *lab) makeDirectory(c call) (interface{}, *refusal) {
	var req types.MakeDirectory
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	dir, no := l.filePlace(req.Name)
	if no != nil {
		return nil, no
	}
	if no := l.checkTop(req.Name, cannotMake(req.Name)); no != nil {
		return nil, no
	}
	if _, err := os.Stat(dir); err == nil {
		return nil, refuse("file-exists", &types.FileAlreadyExists{FileFault: types.FileFault{File: req.Name}},
			"%s exists.", req.Name)
	}
	mkdir := os.Mkdir
	if isTrue(req.CreateParentDirectories) && l.topThere(req.Name) {
		mkdir = os.MkdirAll
	}
	if err := mkdir(dir, 0o700); err != nil {
		return nil, refuse("file-missing", fileNotFound(req.Name), "The directory above %s is missing.", req.Name)
	}
	return &types.MakeDirectoryResponse{}, nil
}

// fileJob is a task of the file manager.
func (l *lab) fileJob(c call, description string, run func() *refusal) job {
	return job{
		object: l.reg.FileManager(), label: datacenterName, entity: &l.dc, name: c.name,
		description: "FileManager." + description, user: c.user,
		run: func(*simulator.Context) (types.AnyType, *refusal) { return nil, run() },
	}
}

func (l *lab) moveFile(c call) (interface{}, *refusal) {
	var req types.MoveDatastoreFile_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	return l.respond(l.fileJob(c, "move", func() *refusal {
		if no := l.checkNotOpen(req.SourceName); no != nil {
			return no
		}
		from, to, no := l.fromTo(req.SourceName, req.DestinationName, isTrue(req.Force))
		if no != nil {
			return no
		}
		return l.moveTree(req.SourceName, from, req.DestinationName, to)
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.MoveDatastoreFile_TaskResponse{Returnval: ref}
	})
}

func (l *lab) copyFile(c call) (interface{}, *refusal) {
	var req types.CopyDatastoreFile_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	return l.respond(l.fileJob(c, "copy", func() *refusal {
		from, to, no := l.fromTo(req.SourceName, req.DestinationName, isTrue(req.Force))
		if no != nil {
			return no
		}
		return l.copyPlain(from, req.DestinationName, to)
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.CopyDatastoreFile_TaskResponse{Returnval: ref}
	})
}

// moveTree renames a file or directory; its space moves along.
func (l *lab) moveTree(source, from, target, to string) *refusal {
	if vm := l.attachedBelow(source); vm != "" {
		return refuse("disk-attached", &types.FileLocked{FileFault: types.FileFault{File: source}},
			"%s is, or holds, a disk of %s.", source, vm)
	}
	use, over := l.treeUse(from), l.fileUse(to)
	here, there := l.datastoreOf(source), l.datastoreOf(target)
	if here != there {
		if no := l.reserve(there, use); no != nil {
			return no
		}
		l.giveBack(here, use)
	}
	l.giveBack(there, over)
	if err := os.Rename(from, to); err != nil {
		return refuse("file-missing", fileNotFound(target), "%v", err)
	}
	return nil
}

func (l *lab) copyPlain(from, target, to string) *refusal {
	there, over := l.datastoreOf(target), l.fileUse(to)
	if no := l.reserve(there, l.fileUse(from)); no != nil {
		return no
	}
	l.giveBack(there, over)
	if err := copyLocal(from, to); err != nil {
		return refuse("file-missing", fileNotFound(target), "%v", err)
	}
	return nil
}

// fromTo checks both ends of a move or copy.
func (l *lab) fromTo(source, target string, force bool) (from, to string, no *refusal) {
	if from, no = l.filePlace(source); no != nil {
		return from, to, no
	}
	if to, no = l.filePlace(target); no != nil {
		return from, to, no
	}
	for _, name := range []string{source, target} {
		if no = l.checkTop(name, cannotMake(name)); no != nil {
			return from, to, no
		}
	}
	if _, err := os.Stat(from); err != nil {
		return from, to, refuse("file-missing", fileNotFound(source), "File %s was not found.", source)
	}
	if info, err := os.Stat(to); err == nil {
		if !force || info.IsDir() {
			return from, to, refuse("file-exists",
				&types.FileAlreadyExists{FileFault: types.FileFault{File: target}}, "%s exists.", target)
		}
		if no = l.checkNotOpen(target); no != nil {
			return from, to, no
		}
	}
	if _, err := os.Stat(filepath.Dir(to)); err != nil {
		return from, to, refuse("file-missing", fileNotFound(target), "The directory of %s is missing.", target)
	}
	return from, to, nil
}

// copyLocal copies a file; its holes stay holes.
func copyLocal(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a directory", filepath.Base(from))
	}
	_ = os.Remove(to) // another disk may share it: see shareExtent
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	err = copyData(w, r, info.Size())
	if closing := w.Close(); err == nil {
		err = closing
	}
	return err
}

// Whence values of lseek(2) on Linux.
const (
	seekData = 3
	seekHole = 4
)

func copyData(w, r *os.File, size int64) error {
	for at := int64(0); at < size; {
		start, err := r.Seek(at, seekData)
		if err != nil {
			break // no data after at
		}
		end, err := r.Seek(start, seekHole)
		if err != nil {
			end = size
		}
		if _, err := w.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(w, io.NewSectionReader(r, start, end-start)); err != nil {
			return err
		}
		at = end
	}
	return w.Truncate(size)
}

func (l *lab) deleteFile(c call) (interface{}, *refusal) {
	var req types.DeleteDatastoreFile_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	return l.respond(l.fileJob(c, "deleteFile", func() *refusal { return l.deleteByName(req.Name) }),
		func(ref types.ManagedObjectReference) interface{} {
			return &types.DeleteDatastoreFile_TaskResponse{Returnval: ref}
		})
}

func (l *lab) deleteByName(name string) *refusal {
	file, no := l.filePlace(name)
	if no != nil {
		return no
	}
	if no := l.checkNotOpen(name); no != nil {
		return no
	}
	if _, err := os.Stat(file); err != nil {
		return refuse("file-missing", fileNotFound(name), "File %s was not found.", name)
	}
	if vm := l.attachedBelow(name); vm != "" {
		return refuse("disk-attached", &types.FileLocked{FileFault: types.FileFault{File: name}},
			"%s is, or holds, a disk of %s.", name, vm)
	}
	if no := l.checkTop(name, &types.CannotDeleteFile{FileFault: types.FileFault{File: name}}); no != nil {
		return no
	}
	freed := l.treeUse(file)
	l.removeObjects(file)
	if err := os.RemoveAll(file); err != nil {
		return refuse("file-in-use", &types.CannotDeleteFile{FileFault: types.FileFault{File: name}}, "%v", err)
	}
	l.giveBack(l.datastoreOf(name), freed)
	return nil
}

func (l *lab) enterDatastoreMaintenance(c call) (interface{}, *refusal) {
	ds, ok := l.reg.Get(c.this).(*simulator.Datastore)
	if !ok {
		return nil, &refusal{fault: &types.ManagedObjectNotFound{Obj: c.this}}
	}
	l.update(ds, set("summary.maintenanceMode", "inMaintenance"))
	return &types.DatastoreEnterMaintenanceModeResponse{}, nil
}
