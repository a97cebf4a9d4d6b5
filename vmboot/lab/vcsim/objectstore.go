package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Object stores (vSAN, vVol).  At the top of one there are no files, only
// directories, and each is an object that is called by its id; the name that
// people gave it leads there, too.  A VM's home is one, and its files are
// named by the id.  FileManager makes none of them: DatastoreNamespaceManager
// does (API reference, DatastoreCapability.topLevelDirectoryCreateSupported).
// The bytes of a disk are an object of their own, which no path leads to.

const objectScheme = "vsan://"

// namespaceTable holds the directories at the top of the object stores.
type namespaceTable struct {
	mu   sync.Mutex
	ids  map[string]map[string]string // by datastore and name
	made int
}

// id is the directory that a name leads to; the name itself when there is none.
func (t *namespaceTable) id(datastore, name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.ids[datastore][name]; ok {
		return id
	}
	return name
}

// name is what people call a directory.
func (t *namespaceTable) name(datastore, id string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, other := range t.ids[datastore] {
		if other == id {
			return name
		}
	}
	return id
}

func (t *namespaceTable) add(datastore, name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids == nil {
		t.ids = map[string]map[string]string{}
	}
	if t.ids[datastore] == nil {
		t.ids[datastore] = map[string]string{}
	}
	t.made++
	id := fixedUUID("namespace", fmt.Sprintf("%s/%s/%d", datastore, name, t.made))
	t.ids[datastore][name] = id
	return id
}

func (t *namespaceTable) forget(datastore, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, other := range t.ids[datastore] {
		if other == id {
			delete(t.ids[datastore], name)
		}
	}
}

// isObjectStore is true for datastores whose directories are objects, and
// whose flat extents nobody can address.
func (l *lab) isObjectStore(name string) bool {
	ds := l.datastore(name)
	return ds != nil && strings.EqualFold(ds.Summary.Type, "vsan")
}

// byID writes the path of a file with the id of its directory.
func (l *lab) byID(p object.DatastorePath) object.DatastorePath {
	top, below := cutPath(p.Path)
	if id := l.namespaces.id(p.Datastore, top); id != top {
		p.Path = path.Join(id, below)
	}
	return p
}

// byIDName is byID of "[datastore] path".
func (l *lab) byIDName(name string) string {
	var p object.DatastorePath
	if !p.FromString(name) {
		return name
	}
	p = l.byID(p)
	return p.String()
}

// cutPath splits the first directory off.
func cutPath(p string) (top, below string) {
	p = path.Clean("/" + p)[1:]
	if n := strings.Index(p, "/"); n >= 0 {
		return p[:n], p[n+1:]
	}
	return p, ""
}

// makeHome makes the directory of a new VM and returns what its paths call it.
func (l *lab) makeHome(datastore, name string) (string, error) {
	if !l.isObjectStore(datastore) {
		return name, nil
	}
	id := l.namespaces.add(datastore, name)
	return id, os.Mkdir(filepath.Join(l.places[datastore].dir, id), 0o700)
}

// checkTop refuses to make, move or delete something at the top of an object
// store.
func (l *lab) checkTop(name string, fault types.BaseMethodFault) *refusal {
	var p object.DatastorePath
	if !p.FromString(name) || !l.isObjectStore(p.Datastore) {
		return nil
	}
	if _, below := cutPath(p.Path); below != "" {
		return nil
	}
	return refuse("namespace-object", fault,
		"%s: on this datastore only the namespace manager makes and deletes what is at the top.", name)
}

// topThere is false for a path on an object store below a directory that is
// not there, and that no call for files makes.
func (l *lab) topThere(name string) bool {
	p, _, _ := l.parseDatastorePath(name)
	if !l.isObjectStore(p.Datastore) {
		return true
	}
	top, _ := cutPath(p.Path)
	_, err := os.Stat(filepath.Join(l.places[p.Datastore].dir, top))
	return err == nil
}

// cannotMake is the fault for a new file or directory at the top.
func cannotMake(name string) types.BaseMethodFault {
	return &types.CannotCreateFile{FileFault: types.FileFault{File: name}}
}

// createNamespace is DatastoreNamespaceManager.CreateDirectory.
func (l *lab) createNamespace(c call) (interface{}, *refusal) {
	var req types.CreateDirectory
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	ds, ok := l.reg.Get(req.Datastore).(*simulator.Datastore)
	if !ok {
		return nil, &refusal{fault: &types.ManagedObjectNotFound{Obj: req.Datastore}}
	}
	if no := l.allowed(ds.Self, "Datastore.Config"); no != nil {
		return nil, no
	}
	if no := l.inService(ds.Name); no != nil {
		return nil, no
	}
	top, below := cutPath(req.DisplayName)
	name := fmt.Sprintf("[%s] %s", ds.Name, req.DisplayName)
	_, file, fault := l.parseDatastorePath(name)
	switch {
	case !l.isObjectStore(ds.Name):
		return nil, refuse("namespace-object", cannotMake(name), "Datastore %s takes ordinary directories.", ds.Name)
	case fault != nil || top == "" || below != "":
		return nil, refuse("namespace-object", &types.InvalidDatastorePath{
			InvalidDatastore: types.InvalidDatastore{Datastore: &ds.Self, Name: ds.Name}, DatastorePath: name,
		}, "%q is no name of a directory.", req.DisplayName)
	}
	if _, err := os.Stat(file); err == nil {
		return nil, refuse("file-exists", &types.FileAlreadyExists{FileFault: types.FileFault{File: name}},
			"%s exists.", name)
	}
	id, err := l.makeHome(ds.Name, top)
	if err != nil {
		return nil, cannotCreate(name, err)
	}
	return &types.CreateDirectoryResponse{Returnval: path.Join("/vmfs/volumes", ds.Name, id)}, nil
}

// searchDatastore looks into the directory that a name leads to: the simulator
// knows the ids alone, and falls over a search for everything.
func (l *lab) searchDatastore(c call) (interface{}, *refusal) {
	var req types.SearchDatastore_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	browser, ok := l.reg.Get(c.this).(*simulator.HostDatastoreBrowser)
	if !ok || req.SearchSpec != nil && l.byIDName(req.DatastorePath) == req.DatastorePath {
		return nil, nil
	}
	if req.SearchSpec == nil {
		req.SearchSpec = &types.HostDatastoreBrowserSearchSpec{MatchPattern: []string{"*"}}
	}
	req.DatastorePath = l.byIDName(req.DatastorePath)
	res := invoke(browser, "SearchDatastoreTask", l.context(), &req)
	return &types.SearchDatastore_TaskResponse{Returnval: taskReference(res)}, nil
}

// removeObjects deletes the bytes of all disks below a directory.
func (l *lab) removeObjects(dir string) {
	_ = filepath.Walk(dir, func(file string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			for _, object := range l.objectsOf(file) {
				_ = os.Remove(object)
			}
		}
		return nil
	})
}

// objectsOf lists the extents of a disk that are objects; none for any other
// file.
func (l *lab) objectsOf(file string) []string {
	if filepath.Ext(file) != ".vmdk" || isExtent(file) {
		return nil
	}
	var found []string
	for _, part := range l.extentsOf(file) {
		if filepath.Dir(part) == l.objectsDir() {
			found = append(found, part)
		}
	}
	return found
}

// objectsDir is where the disks of object stores have their bytes: beside the
// datastores, so that no path leads there.
func (l *lab) objectsDir() string { return filepath.Join(l.home, "objects") }

// newExtent is the file for the bytes of a new disk, and what its descriptor
// calls it.
func (l *lab) newExtent(name, file string) (extent, written string) {
	if !l.isObjectStore(l.datastoreOf(name)) {
		flat := flatName(file)
		return flat, filepath.Base(flat)
	}
	id := randomHex(16)
	return filepath.Join(l.objectsDir(), id), objectScheme + id
}
