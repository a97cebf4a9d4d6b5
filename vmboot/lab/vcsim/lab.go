package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// lab is the whole embedded vCenter.
type lab struct {
	options
	model *simulator.Model
	svc   *simulator.Service
	reg   registry
	stop  func()
	home  string // holds one directory per datastore, objects, and uploads under way

	sessions   sessionTable
	counters   counters
	faults     faultTable
	privileges privilegeTable
	rules      ruleCounts
	delay      pause // that every call takes longer
	task       pause // that every task takes longer

	mu      sync.Mutex
	busy    map[types.ManagedObjectReference]types.ManagedObjectReference // running exclusive tasks
	private map[types.ManagedObjectReference]vmPrivate                    // what no property shows
	pending map[types.ManagedObjectReference]*question                    // unanswered questions
	open    map[types.ManagedObjectReference]openFiles                    // files that running VMs use
	tasks   int
	places  map[string]datastorePlace // datastores by name
	leases  map[string]*nfcLease      // imports by ticket

	policies map[types.ManagedObjectReference]map[string]string // storage policy ids by VM and disk
	strict   strictness

	namespaces namespaceTable // directories at the top of object stores

	address        string // of the front, host:port
	sha1Thumbprint string // of its certificate, as a lease names it

	dc types.ManagedObjectReference
}

// vmPrivate is lab state of one VM that is no property of it.
type vmPrivate struct {
	locksCD  bool // the guest keeps the CD door locked while it runs
	hasTools bool // VMware Tools run when the guest runs
	ignores  bool // the guest takes no notice of a shutdown request
}

// datastorePlace says where a datastore's files are on this machine.
type datastorePlace struct {
	ref types.ManagedObjectReference
	dir string
}

func newLab(o options, stop func()) (*lab, error) {
	home, err := os.MkdirTemp("", "vmboot-lab-")
	if err != nil {
		return nil, err
	}
	l := &lab{
		options: o,
		stop:    stop,
		home:    home,
		busy:    map[types.ManagedObjectReference]types.ManagedObjectReference{},
		private: map[types.ManagedObjectReference]vmPrivate{},
		pending: map[types.ManagedObjectReference]*question{},
		open:    map[types.ManagedObjectReference]openFiles{},
		places:  map[string]datastorePlace{},
		leases:  map[string]*nfcLease{},

		policies: map[types.ManagedObjectReference]map[string]string{},
	}
	if err := os.Mkdir(l.objectsDir(), 0o700); err != nil {
		os.RemoveAll(home)
		return nil, err
	}
	l.sessions.init(o.sessionTimeout)
	l.counters.reset()
	l.delay.set(o.delayMS)
	l.strict.set(o.refusePredicted)
	l.model = emptyModel()
	if err := l.model.Create(); err != nil {
		os.RemoveAll(home)
		return nil, err
	}
	l.svc = l.model.Service
	l.reg = serviceRegistry(l.svc)
	return l, nil
}

// vcenterVersion is what the lab says it is; the simulator's own 6.5 is older
// than what it answers.
const vcenterVersion = "8.0.3"

// emptyModel is a vCenter without a datacenter: the inventory is ours.
func emptyModel() *simulator.Model {
	m := simulator.VPX()
	about := &m.ServiceContent.About
	about.Version, about.ApiVersion = vcenterVersion, vcenterVersion+".0"
	about.FullName = "VMware vCenter Server " + vcenterVersion + " (vmboot lab, govmomi simulator)"
	m.Datacenter, m.Cluster, m.ClusterHost, m.Host, m.Machine = 0, 0, 0, 0, 0
	m.Datastore, m.Portgroup, m.Pool, m.Pod, m.App, m.Folder = 0, 0, 0, 0, 0, 0
	return m
}

func (l *lab) remove() {
	l.model.Remove()
	os.RemoveAll(l.home)
}

// quietLog keeps the simulator's own log lines off standard error.
func quietLog(verbose bool) {
	if !verbose {
		log.SetOutput(io.Discard)
	}
}

func (l *lab) context() *simulator.Context { return newContext(l.svc) }

func (l *lab) serviceContent() types.ServiceContent {
	return l.reg.Get(vim25.ServiceInstance).(*simulator.ServiceInstance).Content
}

// vm returns the simulator's object, nil when ref is no virtual machine.
func (l *lab) vm(ref types.ManagedObjectReference) *simulator.VirtualMachine {
	vm, _ := l.reg.Get(ref).(*simulator.VirtualMachine)
	return vm
}

func (l *lab) host(ref *types.ManagedObjectReference) *simulator.HostSystem {
	if ref == nil {
		return nil
	}
	h, _ := l.reg.Get(*ref).(*simulator.HostSystem)
	return h
}

func (l *lab) datastore(name string) *simulator.Datastore {
	ds, _ := l.reg.Get(l.places[name].ref).(*simulator.Datastore)
	return ds
}

// allVMs returns every virtual machine and template.
func (l *lab) allVMs() []*simulator.VirtualMachine {
	var vms []*simulator.VirtualMachine
	for _, e := range l.reg.All("VirtualMachine") {
		if vm, ok := e.(*simulator.VirtualMachine); ok {
			vms = append(vms, vm)
		}
	}
	return vms
}

// locked runs f while it holds obj's lock on behalf of a context of its own.
func (l *lab) locked(obj mo.Reference, f func(ctx *simulator.Context)) {
	ctx := l.context()
	withLock(ctx, l.reg, obj, func() { f(ctx) })
}

// update changes properties of obj under its lock and tells every filter.
func (l *lab) update(obj mo.Reference, changes ...types.PropertyChange) {
	l.locked(obj, func(ctx *simulator.Context) { updateObject(ctx, l.reg, obj, changes) })
}

func set(name string, value interface{}) types.PropertyChange {
	return types.PropertyChange{Name: name, Op: types.PropertyChangeOpAssign, Val: value}
}

// path returns the inventory path of an entity, as govc prints it.
func (l *lab) path(ref types.ManagedObjectReference) string {
	var names []string
	for {
		e, ok := l.reg.Get(ref).(mo.Entity)
		if !ok || e.Entity().Parent == nil {
			break
		}
		names = append([]string{entityName(e)}, names...)
		ref = *e.Entity().Parent
	}
	return "/" + strings.Join(names, "/")
}

// entityName copes with the types whose own Name field hides the entity's.
func entityName(e mo.Entity) string {
	switch x := e.(type) {
	case *simulator.Datastore:
		return x.Name
	case *mo.Network:
		return x.Name
	}
	return e.Entity().Name
}

// parseDatastorePath splits "[datastore] path" and gives the local file.
func (l *lab) parseDatastorePath(name string) (object.DatastorePath, string, types.BaseMethodFault) {
	var p object.DatastorePath
	if !p.FromString(name) || strings.Contains(p.Path, "..") {
		return p, "", &types.InvalidDatastorePath{
			InvalidDatastore: types.InvalidDatastore{Name: p.Datastore}, DatastorePath: name,
		}
	}
	place, ok := l.places[p.Datastore]
	if !ok {
		return p, "", &types.InvalidDatastore{Name: p.Datastore}
	}
	p = l.byID(p)
	return p, filepath.Join(place.dir, filepath.FromSlash(p.Path)), nil
}

// nextTask is the reference of a new task, apart from the simulator's own.
func (l *lab) nextTask() types.ManagedObjectReference {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks++
	return types.ManagedObjectReference{Type: "Task", Value: fmt.Sprintf("task-%d", 100000+l.tasks)}
}
