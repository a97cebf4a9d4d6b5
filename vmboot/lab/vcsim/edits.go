package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// What the control API changes behind the client's back.

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// find returns the entity at an inventory path.
func (l *lab) find(path string) (mo.Entity, error) {
	for _, e := range l.reg.All("") {
		if l.path(e.Reference()) == path {
			return e, nil
		}
	}
	return nil, fmt.Errorf("%s: no such entity", path)
}

// findVM takes a path or a name that only one VM has.
func (l *lab) findVM(name string) (*simulator.VirtualMachine, error) {
	var found *simulator.VirtualMachine
	for _, vm := range l.allVMs() {
		if l.path(vm.Self) == name {
			return vm, nil
		}
		if vm.Name == name {
			if found != nil {
				return nil, fmt.Errorf("%s: more than one virtual machine", name)
			}
			found = vm
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s: no such virtual machine", name)
	}
	return found, nil
}

// edit is a change of one VM that some other administrator made.
type edit struct {
	VM         string            `json:"vm"`
	Name       *string           `json:"name"`
	Annotation *string           `json:"annotation"`
	BootOrder  []string          `json:"boot_order"` // cd, disk, nic, floppy; empty clears
	BootDelay  *int64            `json:"boot_delay"`
	CDISO      *string           `json:"cd_iso"` // file in the first CD drive, "" for none
	CDConnect  *bool             `json:"cd_start_connected"`
	Power      *string           `json:"power"` // on, off
	Template   *bool             `json:"template"`
	Extra      map[string]string `json:"extra_config"`
	Tools      *bool             `json:"tools"`
	IgnoreStop *bool             `json:"ignores_shutdown"`
	LocksCD    *bool             `json:"locks_cd"`
	Touch      bool              `json:"touch"` // only a new changeVersion
}

func (l *lab) editBehindBack(body []byte) (interface{}, error) {
	var e edit
	if err := parse(body, &e); err != nil {
		return nil, err
	}
	vm, err := l.findVM(e.VM)
	if err != nil {
		return nil, err
	}
	l.editPrivate(vm, e)
	spec, sent, err := e.spec(vm)
	if err != nil {
		return nil, err
	}
	var no *refusal
	l.locked(vm, func(ctx *simulator.Context) { no = l.editLocked(ctx, vm, e, spec, sent) })
	if no != nil {
		return nil, fmt.Errorf("%s: %s", faultName(no.fault), no.message)
	}
	return map[string]string{"change_version": vm.Config.ChangeVersion}, nil
}

func (l *lab) editPrivate(vm *simulator.VirtualMachine, e edit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.private[vm.Self]
	for _, f := range []struct {
		from *bool
		to   *bool
	}{{e.Tools, &p.hasTools}, {e.IgnoreStop, &p.ignores}, {e.LocksCD, &p.locksCD}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	l.private[vm.Self] = p
}

// editLocked changes even a template, which the rules would not let be.
func (l *lab) editLocked(ctx *simulator.Context, vm *simulator.VirtualMachine, e edit,
	spec *types.VirtualMachineConfigSpec, sent sentFields) *refusal {
	was := vm.Config.Template
	vm.Config.Template = false
	no := l.reconfigure(ctx, vm, spec, sent)
	vm.Config.Template = was
	if e.Tools != nil && vm.Runtime.PowerState == poweredOn {
		status := map[bool]string{true: "guestToolsRunning", false: "guestToolsNotRunning"}[*e.Tools]
		updateObject(ctx, l.reg, vm, []types.PropertyChange{
			set("guest.toolsRunningStatus", status), set("summary.guest.toolsRunningStatus", status),
		})
	}
	if no == nil && e.Power != nil {
		if *e.Power == "on" {
			no = l.switchOn(ctx, vm)
		} else {
			no = l.switchOff(ctx, vm, poweredOff)
		}
	}
	if no == nil && e.Template != nil && *e.Template != was {
		no = l.editTemplate(ctx, vm, *e.Template)
	}
	return no
}

func (l *lab) editTemplate(ctx *simulator.Context, vm *simulator.VirtualMachine, template bool) *refusal {
	if template {
		return l.toTemplate(ctx, vm)
	}
	host := l.host(vm.Runtime.Host)
	pool := l.hostPool(host)
	return l.toVM(ctx, vm, &types.MarkAsVirtualMachine{Pool: pool, Host: vm.Runtime.Host})
}

func (e edit) spec(vm *simulator.VirtualMachine) (*types.VirtualMachineConfigSpec, sentFields, error) {
	spec := &types.VirtualMachineConfigSpec{}
	sent := sentFields{annotation: e.Annotation != nil, bootDelay: e.BootDelay != nil}
	if e.Name != nil {
		spec.Name = *e.Name
	}
	if e.Annotation != nil {
		spec.Annotation = *e.Annotation
	}
	for k, v := range e.Extra {
		spec.ExtraConfig = append(spec.ExtraConfig, &types.OptionValue{Key: k, Value: v})
	}
	if e.BootOrder != nil || e.BootDelay != nil {
		spec.BootOptions = &types.VirtualMachineBootOptions{}
		if e.BootDelay != nil {
			spec.BootOptions.BootDelay = *e.BootDelay
		}
		order, err := bootOrder(e.BootOrder, vm.Config.Hardware.Device)
		if err != nil {
			return nil, sent, err
		}
		spec.BootOptions.BootOrder = order
	}
	if e.CDISO != nil || e.CDConnect != nil {
		change, err := e.cdChange(vm)
		if err != nil {
			return nil, sent, err
		}
		spec.DeviceChange = append(spec.DeviceChange, change)
	}
	return spec, sent, nil
}

func (e edit) cdChange(vm *simulator.VirtualMachine) (types.BaseVirtualDeviceConfigSpec, error) {
	for _, dev := range vm.Config.Hardware.Device {
		old, ok := dev.(*types.VirtualCdrom)
		if !ok {
			continue
		}
		cd := shallowCopy(old).(*types.VirtualCdrom)
		if e.CDISO != nil {
			cd.Backing = cdBacking(*e.CDISO)
		}
		if e.CDConnect != nil && cd.Connectable != nil {
			connect := *cd.Connectable
			connect.StartConnected = *e.CDConnect
			cd.Connectable = &connect
		}
		return &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: cd,
		}, nil
	}
	return nil, fmt.Errorf("%s has no CD-ROM drive", vm.Name)
}

// cdBacking is an ISO file, or the client's device when name is empty.
func cdBacking(name string) types.BaseVirtualDeviceBackingInfo {
	if name == "" {
		return &types.VirtualCdromRemotePassthroughBackingInfo{
			VirtualDeviceRemoteDeviceBackingInfo: types.VirtualDeviceRemoteDeviceBackingInfo{
				UseAutoDetect: types.NewBool(false),
			},
		}
	}
	return &types.VirtualCdromIsoBackingInfo{
		VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: name},
	}
}

// bootOrder makes a boot order of words; each word means the first device of
// its kind.  An empty list clears.
func bootOrder(words []string, devices []types.BaseVirtualDevice) (
	[]types.BaseVirtualMachineBootOptionsBootableDevice, error) {
	if words == nil {
		return nil, nil
	}
	if len(words) == 0 {
		return []types.BaseVirtualMachineBootOptionsBootableDevice{
			&types.VirtualMachineBootOptionsBootableDevice{},
		}, nil
	}
	var out []types.BaseVirtualMachineBootOptionsBootableDevice
	for _, word := range words {
		switch word {
		case "cd":
			out = append(out, &types.VirtualMachineBootOptionsBootableCdromDevice{})
		case "floppy":
			out = append(out, &types.VirtualMachineBootOptionsBootableFloppyDevice{})
		case "disk", "nic":
			key, ok := firstOf(word, devices)
			if !ok {
				return nil, fmt.Errorf("boot order: there is no %s", word)
			}
			if word == "disk" {
				out = append(out, &types.VirtualMachineBootOptionsBootableDiskDevice{DeviceKey: key})
			} else {
				out = append(out, &types.VirtualMachineBootOptionsBootableEthernetDevice{DeviceKey: key})
			}
		default:
			return nil, fmt.Errorf("boot order: %q is none of cd, disk, nic, floppy", word)
		}
	}
	return out, nil
}

func firstOf(word string, devices []types.BaseVirtualDevice) (int32, bool) {
	for _, dev := range devices {
		_, disk := dev.(*types.VirtualDisk)
		if word == "disk" && disk || word == "nic" && isNIC(dev) {
			return dev.GetVirtualDevice().Key, true
		}
	}
	return 0, false
}

// editDatastore changes what a host, or every host, sees of a datastore.
func (l *lab) editDatastore(body []byte) (interface{}, error) {
	var req struct {
		Name        string  `json:"name"`
		Host        string  `json:"host"`
		Accessible  *bool   `json:"accessible"`
		Mounted     *bool   `json:"mounted"`
		AccessMode  *string `json:"access_mode"`
		FreeMiB     *int64  `json:"free_mib"`
		Maintenance *string `json:"maintenance"`
		Type        *string `json:"type"` // VMFS, NFS, vsan
	}
	if err := parse(body, &req); err != nil {
		return nil, err
	}
	ds := l.datastore(req.Name)
	if ds == nil {
		return nil, fmt.Errorf("%s: no such datastore", req.Name)
	}
	mounts := append([]types.DatastoreHostMount(nil), ds.Host...)
	matched := false
	for i := range mounts {
		if h := l.host(&mounts[i].Key); req.Host != "" && (h == nil || h.Name != req.Host) {
			continue
		}
		matched = true
		if req.Accessible != nil {
			mounts[i].MountInfo.Accessible = types.NewBool(*req.Accessible)
		}
		if req.Mounted != nil {
			mounts[i].MountInfo.Mounted = types.NewBool(*req.Mounted)
		}
		if req.AccessMode != nil {
			mounts[i].MountInfo.AccessMode = *req.AccessMode
		}
	}
	if !matched {
		return nil, fmt.Errorf("%s: host %q does not mount it", req.Name, req.Host)
	}
	changes := []types.PropertyChange{set("host", mounts), set("summary.accessible", anyAccessible(mounts))}
	if req.FreeMiB != nil {
		changes = append(changes, set("summary.freeSpace", *req.FreeMiB<<20))
	}
	if req.Maintenance != nil {
		changes = append(changes, set("summary.maintenanceMode", *req.Maintenance))
	}
	if req.Type != nil {
		capability := ds.Capability
		capability.TopLevelDirectoryCreateSupported = types.NewBool(*req.Type != "vsan")
		changes = append(changes, set("summary.type", *req.Type), set("capability", capability))
	}
	l.update(ds, changes...)
	return done, nil
}

func anyAccessible(mounts []types.DatastoreHostMount) bool {
	for _, m := range mounts {
		if m.MountInfo.Accessible == nil || *m.MountInfo.Accessible {
			return true
		}
	}
	return false
}

// editHost puts a host into maintenance or cuts its connection.
func (l *lab) editHost(body []byte) (interface{}, error) {
	var req struct {
		Name        string  `json:"name"`
		Maintenance *bool   `json:"maintenance"`
		Connection  *string `json:"connection"` // connected, disconnected, notResponding
	}
	if err := parse(body, &req); err != nil {
		return nil, err
	}
	for _, e := range l.reg.All("HostSystem") {
		if entityName(e) != req.Name {
			continue
		}
		var changes []types.PropertyChange
		if req.Maintenance != nil {
			changes = append(changes, set("runtime.inMaintenanceMode", *req.Maintenance),
				set("summary.runtime.inMaintenanceMode", *req.Maintenance))
		}
		if req.Connection != nil {
			state := types.HostSystemConnectionState(*req.Connection)
			changes = append(changes, set("runtime.connectionState", state),
				set("summary.runtime.connectionState", state))
		}
		l.update(e, changes...)
		return done, nil
	}
	return nil, fmt.Errorf("%s: no such host", req.Name)
}
