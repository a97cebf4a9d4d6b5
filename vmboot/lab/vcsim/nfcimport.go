package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// ImportVApp: makes the VM that an import fills, as a vCenter does.

// importPlan is an ImportVApp whose arguments were checked.
type importPlan struct {
	spec      types.VirtualMachineConfigSpec
	folder    *simulator.Folder
	pool      types.ManagedObjectReference
	host      *types.ManagedObjectReference
	datastore string
	user      string
}

// checkImportSpec checks the references of CreateImportSpec, which the
// simulator answers: it reads the OVF.
func (l *lab) checkImportSpec(c call) (interface{}, *refusal) {
	var req types.CreateImportSpec
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	ds, ok := l.reg.Get(req.Datastore).(*simulator.Datastore)
	switch {
	case !ok:
		return nil, refuse("import-spec", &types.ManagedObjectNotFound{Obj: req.Datastore}, "No such datastore.")
	case l.poolOwner(req.ResourcePool) == nil:
		return nil, refuse("import-spec", &types.ManagedObjectNotFound{Obj: req.ResourcePool}, "No such pool.")
	case importName(&req) == "":
		return nil, refuse("import-spec", invalidArgument("cisp.entityName"), "An import has a name.")
	}
	if why := checkOVF(req.OvfDescriptor); why != "" {
		return nil, refuse("import-spec", invalidArgument("ovfDescriptor"), "The OVF descriptor %s.", why)
	}
	return nil, l.inService(ds.Name)
}

// CIM resource types of an OVF's items.
const (
	cimDrive = 15 // CD or DVD
	cimDisk  = 17
)

// checkOVF says what is missing in an OVF; the simulator would fall over it.
func checkOVF(text string) string {
	env, err := ovf.Unmarshal(strings.NewReader(text))
	switch {
	case err != nil:
		return "is not readable: " + err.Error()
	case env.VirtualSystem == nil || len(env.VirtualSystem.VirtualHardware) == 0 ||
		env.VirtualSystem.VirtualHardware[0].System == nil:
		return "has no virtual system with its hardware"
	}
	for _, item := range env.VirtualSystem.VirtualHardware[0].Item {
		switch {
		case item.ResourceType == nil:
			return "has an item without a type"
		case (int(*item.ResourceType) == 3 || int(*item.ResourceType) == 4) && item.VirtualQuantity == nil:
			return "has CPUs or memory without a quantity"
		case (int(*item.ResourceType) == cimDrive || int(*item.ResourceType) == cimDisk) && item.Parent == nil:
			return "has a drive without a controller"
		case int(*item.ResourceType) == cimDisk && (len(item.HostResource) == 0 || !ovfHas(env, item.HostResource[0])):
			return "has a disk that its disk section does not know"
		}
	}
	return ""
}

func ovfHas(env *ovf.Envelope, resource string) bool {
	if env.Disk == nil {
		return false
	}
	for _, disk := range env.Disk.Disks {
		if strings.HasSuffix(resource, disk.DiskID) {
			return disk.FileRef != nil
		}
	}
	return false
}

func (l *lab) importVApp(c call) (interface{}, *refusal) {
	var req types.ImportVApp
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	plan, no := l.planImport(c, &req)
	if no != nil {
		return nil, no
	}
	fault := l.faults.take(c.name, plan.spec.Name, taskKinds)
	lease := l.newLease(c, plan.spec.Name)
	go l.runImport(lease, plan, fault)
	return &types.ImportVAppResponse{Returnval: lease.Self}, nil
}

// planImport checks what an import says before it begins.
func (l *lab) planImport(c call, req *types.ImportVApp) (*importPlan, *refusal) {
	spec, ok := req.Spec.(*types.VirtualMachineImportSpec)
	if !ok {
		return nil, refuse("import-spec", invalidArgument("spec"), "The lab imports virtual machines only.")
	}
	p := &importPlan{spec: spec.ConfigSpec, pool: c.this, host: req.Host, user: c.user}
	if req.Folder != nil {
		p.folder, _ = l.reg.Get(*req.Folder).(*simulator.Folder)
	}
	var home object.DatastorePath
	files := p.spec.Files
	switch {
	case p.folder == nil || !holdsVMs(p.folder):
		return nil, refuse("import-spec", invalidArgument("folder"), "A virtual machine is imported into a VM folder.")
	case p.spec.Name == "":
		return nil, refuse("import-spec", invalidArgument("spec.configSpec.name"), "An import has a name.")
	case l.childNamed(p.folder, p.spec.Name) != nil:
		twin := l.childNamed(p.folder, p.spec.Name).Reference()
		return nil, refuse("import-spec", &types.DuplicateName{Name: p.spec.Name, Object: twin},
			"The name %s is taken.", p.spec.Name)
	case files == nil || !home.FromString(files.VmPathName) || l.datastore(home.Datastore) == nil:
		return nil, refuse("import-spec", invalidArgument("spec.configSpec.files.vmPathName"),
			"An import names its datastore.")
	}
	p.datastore = home.Datastore
	if no := l.placeImport(p); no != nil {
		return nil, no
	}
	if no := l.allowed(p.folder.Self, "VirtualMachine.Inventory.Create"); no != nil {
		return nil, no
	}
	ds := l.datastore(p.datastore)
	if no := l.allowed(ds.Self, "Datastore.AllocateSpace"); no != nil {
		return nil, no
	}
	return p, l.inService(p.datastore)
}

func holdsVMs(f *simulator.Folder) bool {
	for _, kind := range f.ChildType {
		if kind == "VirtualMachine" {
			return true
		}
	}
	return false
}

func (l *lab) childNamed(f *simulator.Folder, name string) mo.Entity {
	for _, ref := range f.ChildEntity {
		if e, ok := l.reg.Get(ref).(mo.Entity); ok && entityName(e) == name {
			return e
		}
	}
	return nil
}

// placeImport finds or checks the host.
func (l *lab) placeImport(p *importPlan) *refusal {
	owner := l.poolOwner(p.pool)
	switch {
	case owner == nil:
		return refuse("pool-required", invalidArgument("pool"), "%q is no resource pool.", p.pool.Value)
	case p.host != nil && !owner.hosts[*p.host]:
		return refuse("pool-host", invalidArgument("host"), "The host does not belong to the resource pool's cluster.")
	case p.host == nil && owner.cluster && !owner.drs:
		return refuse("pool-host", invalidArgument("host"), "A cluster without DRS needs the host as well as the pool.")
	case p.host == nil:
		for _, e := range l.reg.All("HostSystem") {
			ref := e.Reference()
			h := l.host(&ref)
			if owner.hosts[ref] && !h.Runtime.InMaintenanceMode && l.mounts(&ref, p.datastore) {
				p.host = &ref
				break
			}
		}
	}
	if p.host == nil || !l.mounts(p.host, p.datastore) {
		return refuse("iso-reachable", &types.InvalidDatastore{Name: p.datastore},
			"The host of the import does not reach datastore %s.", p.datastore)
	}
	if h := l.host(p.host); h.Runtime.InMaintenanceMode {
		return refuse("host-maintenance", &types.InvalidHostState{Host: p.host}, "The host is in maintenance mode.")
	}
	return nil
}

// runImport makes the VM; the lease tells how that ended.
func (l *lab) runImport(lease *nfcLease, p *importPlan, fault *faultRule) {
	if fault != nil && fault.Kind == "slow-task" {
		time.Sleep(time.Duration(fault.MS) * time.Millisecond)
		fault = nil
	}
	var vm *simulator.VirtualMachine
	var no *refusal
	if fault != nil {
		no = fault.refusal(p.pool)
	} else {
		vm, no = l.makeShell(p)
	}
	if no != nil {
		l.note(no)
		l.leave(lease, types.HttpNfcLeaseStateInitializing, types.HttpNfcLeaseStateError, no)
		return
	}
	l.openLease(lease, vm)
}

// makeShell creates the VM and claims it for its lease.
func (l *lab) makeShell(p *importPlan) (*simulator.VirtualMachine, *refusal) {
	dir, err := l.makeHome(p.datastore, l.freeDirectory(p.datastore, p.spec.Name))
	if err != nil {
		return nil, cannotCreate(p.spec.Name, err)
	}
	bare := p.spec
	bare.DeviceChange, bare.VAppConfig = nil, nil
	bare.Files = &types.VirtualMachineFileInfo{
		VmPathName: fmt.Sprintf("[%s] %s/%s.vmx", p.datastore, dir, p.spec.Name),
	}
	result, no := l.simulate(p.folder, "CreateVMTask", &types.CreateVM_Task{
		This: p.folder.Self, Config: bare, Pool: p.pool, Host: p.host,
	})
	if no != nil {
		l.namespaces.forget(p.datastore, dir)
		return nil, no
	}
	vm := l.vm(result.(types.ManagedObjectReference))
	if no := l.claim(vm.Self, l.nextTask(), vm.Name); no != nil {
		return nil, no
	}
	l.locked(vm, func(ctx *simulator.Context) {
		vm.Config.Hardware.Device = finish(baseDevices())
		setEnums(vm)
		spec := &types.VirtualMachineConfigSpec{DeviceChange: importDevices(p, dir)}
		if no = l.reconfigure(ctx, vm, spec, sentFields{}); no != nil {
			_ = l.erase(ctx, vm)
		}
	})
	if no != nil {
		l.release(vm.Self)
		return nil, no
	}
	return vm, nil
}

// freeDirectory is the VM's name, or with a number when that is taken.
func (l *lab) freeDirectory(datastore, name string) string {
	dir := name
	for n := 1; ; n++ {
		_, file, _ := l.parseDatastorePath(fmt.Sprintf("[%s] %s", datastore, dir))
		if _, err := os.Lstat(file); err != nil {
			return dir
		}
		dir = fmt.Sprintf("%s_%d", name, n)
	}
}

// importDevices are the device changes of an import: the IDE controllers are
// there already, and every disk is a new one in the VM's directory.
func importDevices(p *importPlan, dir string) []types.BaseVirtualDeviceConfigSpec {
	ide := map[int32]int32{}
	var out []types.BaseVirtualDeviceConfigSpec
	disks := 0
	for _, change := range p.spec.DeviceChange {
		spec := *change.GetVirtualDeviceConfigSpec()
		if spec.Device == nil {
			out = append(out, &spec)
			continue
		}
		if busOf(spec.Device) == busIDE {
			ide[spec.Device.GetVirtualDevice().Key] = firstController[busIDE] + busNumber(spec.Device)
			continue
		}
		spec.Device = shallowCopy(spec.Device)
		v := spec.Device.GetVirtualDevice()
		if key, ok := ide[v.ControllerKey]; ok {
			v.ControllerKey = key
		}
		if disk, ok := spec.Device.(*types.VirtualDisk); ok {
			placeDisk(disk, fmt.Sprintf("[%s] %s/%s.vmdk", p.datastore, dir, diskName(p.spec.Name, disks)))
			spec.FileOperation = types.VirtualDeviceConfigSpecFileOperationCreate
			disks++
		}
		out = append(out, &spec)
	}
	return out
}

func placeDisk(disk *types.VirtualDisk, name string) {
	if flat, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
		clone := *flat
		clone.FileName = name
		disk.Backing = &clone
	}
}
