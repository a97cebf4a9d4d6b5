package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

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

// checkNotOpen refuses when a running VM uses the file, or one below it.
func (l *lab) checkNotOpen(name string) *refusal {
	user := l.openBy(name, types.ManagedObjectReference{})
	if user == "" {
		l.mu.Lock()
		for _, o := range l.open {
			for file := range o.files {
				if strings.HasPrefix(file, strings.TrimRight(name, "/")+"/") {
					user = o.name
				}
			}
		}
		l.mu.Unlock()
	}
	if user == "" {
		return nil
	}
	return refuse("file-in-use", &types.FileLocked{FileFault: types.FileFault{File: name}},
		"%s is in use by %s.", name, user)
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
	if _, err := os.Stat(dir); err == nil {
		return nil, refuse("file-exists", &types.FileAlreadyExists{FileFault: types.FileFault{File: req.Name}},
			"%s exists.", req.Name)
	}
	mkdir := os.Mkdir
	if isTrue(req.CreateParentDirectories) {
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
		if err := os.Rename(from, to); err != nil {
			return refuse("file-missing", fileNotFound(req.DestinationName), "%v", err)
		}
		return nil
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
		if err := copyLocal(from, to); err != nil {
			return refuse("file-missing", fileNotFound(req.DestinationName), "%v", err)
		}
		return nil
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.CopyDatastoreFile_TaskResponse{Returnval: ref}
	})
}

// fromTo checks both ends of a move or copy.
func (l *lab) fromTo(source, target string, force bool) (from, to string, no *refusal) {
	if from, no = l.filePlace(source); no != nil {
		return from, to, no
	}
	if to, no = l.filePlace(target); no != nil {
		return from, to, no
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
	if err := os.RemoveAll(file); err != nil {
		return refuse("file-in-use", &types.CannotDeleteFile{FileFault: types.FileFault{File: name}}, "%v", err)
	}
	return nil
}

// Virtual disk calls are the simulator's, after our checks.

func (l *lab) checkDeleteDisk(c call) (interface{}, *refusal) {
	var req types.DeleteVirtualDisk_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	return nil, l.checkDiskOperation(req.Name, true)
}

func (l *lab) checkMoveDisk(c call) (interface{}, *refusal) {
	var req types.MoveVirtualDisk_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	if no := l.checkDiskOperation(req.SourceName, true); no != nil {
		return nil, no
	}
	return nil, l.checkDiskTarget(req.DestName)
}

// copyDisk is ours: the simulator copies holes as zeros, and boot disks are
// nearly all holes.
func (l *lab) copyDisk(c call) (interface{}, *refusal) {
	var req types.CopyVirtualDisk_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	if req.DestSpec != nil {
		return nil, refuse("spec-known", &types.NotImplemented{}, "CopyVirtualDisk has no destSpec.")
	}
	if no := l.checkDiskOperation(req.SourceName, false); no != nil {
		return nil, no
	}
	if no := l.checkDiskTarget(req.DestName); no != nil {
		return nil, no
	}
	j := l.fileJob(c, "", func() *refusal { return l.duplicateDisk(req.SourceName, req.DestName) })
	j.description = "VirtualDiskManager.copyVirtualDisk"
	return l.respond(j, func(ref types.ManagedObjectReference) interface{} {
		return &types.CopyVirtualDisk_TaskResponse{Returnval: ref}
	})
}

func (l *lab) duplicateDisk(source, target string) *refusal {
	from, no := l.filePlace(source)
	if no != nil {
		return no
	}
	capacity, no := checkDescriptor(source, from)
	if no != nil {
		return no
	}
	to, no := l.filePlace(target)
	if no != nil {
		return no
	}
	err := l.writeDisk(target, capacity)
	if err == nil {
		err = copyLocal(extentOf(from), flatName(to))
	}
	if err != nil {
		return refuse("disk-new", &types.CannotCreateFile{FileFault: types.FileFault{File: target}}, "%v", err)
	}
	return nil
}

// extentOf is the first extent of a disk whose descriptor was checked.
func extentOf(file string) string {
	text, _ := os.ReadFile(file)
	for _, line := range strings.Split(string(text), "\n") {
		if m := extent.FindStringSubmatch(line); m != nil {
			return filepath.Join(filepath.Dir(file), m[2])
		}
	}
	return flatName(file)
}

func (l *lab) checkCreateDisk(c call) (interface{}, *refusal) {
	var req types.CreateVirtualDisk_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	return nil, l.checkDiskTarget(req.Name)
}

func (l *lab) checkDiskOperation(name string, exclusive bool) *refusal {
	file, no := l.filePlace(name)
	if no != nil {
		return no
	}
	if _, err := os.Stat(file); err != nil {
		return refuse("file-missing", fileNotFound(name), "File %s was not found.", name)
	}
	if exclusive {
		return l.checkNotOpen(name)
	}
	return nil
}

// checkDiskTarget: a new disk overwrites nothing, not even with force, and its
// directory is there.
func (l *lab) checkDiskTarget(name string) *refusal {
	file, no := l.filePlace(name)
	if no != nil {
		return no
	}
	if _, err := os.Stat(file); err == nil {
		return refuse("disk-new", &types.FileAlreadyExists{FileFault: types.FileFault{File: name}}, "%s exists.", name)
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return refuse("disk-new", fileNotFound(name), "The directory of %s is missing.", name)
	}
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

// Disk files: a descriptor and a sparse flat extent, as on VMFS.

const descriptor = `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=ffffffff
createType="vmfs"

# Extent description
RW %d VMFS "%s"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.virtualHWVersion = "13"
`

const sector = 512

func flatName(name string) string {
	return strings.TrimSuffix(name, path.Ext(name)) + "-flat.vmdk"
}

func (l *lab) writeDisk(name string, capacity int64) error {
	_, file, fault := l.parseDatastorePath(name)
	if fault != nil {
		return fmt.Errorf("%s: no such datastore", name)
	}
	flat := flatName(file)
	text := fmt.Sprintf(descriptor, capacity/sector, filepath.Base(flat))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(flat, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(flat, capacity)
}

func (l *lab) deleteDisk(name string) error {
	_, file, fault := l.parseDatastorePath(name)
	if fault != nil {
		return nil
	}
	_ = os.Remove(flatName(file))
	return os.Remove(file)
}

var extent = regexp.MustCompile(`^RW (\d+) \S+ "([^"]+)"`)

// checkDescriptor reads the capacity of an existing disk, or says why it is
// none.
func checkDescriptor(name, file string) (int64, *refusal) {
	f, err := os.Open(file)
	if err != nil {
		return 0, refuse("disk-exists", fileNotFound(name), "File %s was not found.", name)
	}
	defer f.Close()
	bad := &types.InvalidDiskFormat{}
	head, _ := bufio.NewReader(io.LimitReader(f, 1<<16)).Peek(1 << 12)
	if !strings.HasPrefix(string(head), "# Disk DescriptorFile") {
		return 0, refuse("disk-valid", bad, "Unsupported or invalid disk type: %s has no descriptor.", name)
	}
	var capacity int64
	for _, line := range strings.Split(string(head), "\n") {
		m := extent.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		sectors, _ := strconv.ParseInt(m[1], 10, 64)
		info, err := os.Stat(filepath.Join(filepath.Dir(file), m[2]))
		if err != nil {
			return 0, refuse("disk-valid", fileNotFound(m[2]), "Extent %s of %s is missing.", m[2], name)
		}
		if info.Size() < sectors*sector {
			return 0, refuse("disk-valid", bad, "Extent %s of %s is too short.", m[2], name)
		}
		capacity += sectors * sector
	}
	if capacity == 0 {
		return 0, refuse("disk-valid", bad, "%s has no extents.", name)
	}
	return capacity, nil
}
