package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	poweredOn  = types.VirtualMachinePowerStatePoweredOn
	poweredOff = types.VirtualMachinePowerStatePoweredOff
	suspended  = types.VirtualMachinePowerStateSuspended
)

func (l *lab) privateOf(ref types.ManagedObjectReference) vmPrivate {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.private[ref]
}

// powerJob is a task that changes the power state.
func (l *lab) powerJob(vm *simulator.VirtualMachine, c call, description string,
	run func(ctx *simulator.Context) *refusal) job {
	return job{
		object: vm, label: vm.Name, name: c.name, description: "VirtualMachine." + description,
		user: c.user, exclusive: true,
		run: func(ctx *simulator.Context) (types.AnyType, *refusal) { return nil, run(ctx) },
	}
}

// powerTarget finds the VM of a power operation; a template has none.
func (l *lab) powerTarget(c call) (*simulator.VirtualMachine, *refusal) {
	vm, no := l.vmOf(c)
	if no == nil && vm.Config.Template {
		return nil, refuse("template-power", &types.InvalidState{}, "%s is a template.", vm.Name)
	}
	return vm, no
}

func (l *lab) powerOn(c call) (interface{}, *refusal) {
	vm, no := l.powerTarget(c)
	if no != nil {
		return nil, no
	}
	return l.respond(l.powerJob(vm, c, "powerOn", func(ctx *simulator.Context) *refusal {
		return l.switchOn(ctx, vm)
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.PowerOnVM_TaskResponse{Returnval: ref}
	})
}

func (l *lab) powerOff(c call) (interface{}, *refusal) {
	vm, no := l.powerTarget(c)
	if no != nil {
		return nil, no
	}
	j := l.powerJob(vm, c, "powerOff", func(ctx *simulator.Context) *refusal {
		return l.switchOff(ctx, vm, poweredOff)
	})
	j.exclusive = false // a power off goes through while a question is open
	return l.respond(j, func(ref types.ManagedObjectReference) interface{} {
		return &types.PowerOffVM_TaskResponse{Returnval: ref}
	})
}

func (l *lab) suspend(c call) (interface{}, *refusal) {
	vm, no := l.powerTarget(c)
	if no != nil {
		return nil, no
	}
	return l.respond(l.powerJob(vm, c, "suspend", func(ctx *simulator.Context) *refusal {
		return l.switchOff(ctx, vm, suspended)
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.SuspendVM_TaskResponse{Returnval: ref}
	})
}

func (l *lab) reset(c call) (interface{}, *refusal) {
	vm, no := l.powerTarget(c)
	if no != nil {
		return nil, no
	}
	return l.respond(l.powerJob(vm, c, "reset", func(ctx *simulator.Context) *refusal {
		if no := l.switchOff(ctx, vm, poweredOff); no != nil {
			return no
		}
		return l.switchOn(ctx, vm)
	}), func(ref types.ManagedObjectReference) interface{} {
		return &types.ResetVM_TaskResponse{Returnval: ref}
	})
}

// powerOnMany starts one task per VM and answers with a task that ends when
// they were started, as the recommendation-free part of a DRS power on.
func (l *lab) powerOnMany(c call) (interface{}, *refusal) {
	var req types.PowerOnMultiVM_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	dc, ok := l.reg.Get(c.this).(*simulator.Datacenter)
	if !ok {
		return nil, &refusal{fault: &types.ManagedObjectNotFound{Obj: c.this}}
	}
	return l.respond(job{
		object: dc, label: dc.Name, name: c.name, description: "Datacenter.powerOnVm", user: c.user,
		run: func(*simulator.Context) (types.AnyType, *refusal) {
			result := types.ClusterPowerOnVmResult{}
			for _, ref := range req.Vm {
				one := call{name: "PowerOnVM_Task", this: ref, user: c.user}
				vm, no := l.powerTarget(one)
				if no == nil {
					var task types.ManagedObjectReference
					task, no = l.start(l.powerJob(vm, one, "powerOn", func(ctx *simulator.Context) *refusal {
						return l.switchOn(ctx, vm)
					}))
					if no == nil {
						result.Attempted = append(result.Attempted,
							types.ClusterAttemptedVmInfo{Vm: ref, Task: &task})
						continue
					}
				}
				l.note(no)
				result.NotAttempted = append(result.NotAttempted, types.ClusterNotAttemptedVmInfo{
					Vm:    ref,
					Fault: types.LocalizedMethodFault{Fault: no.fault, LocalizedMessage: no.message},
				})
			}
			return result, nil
		},
	}, func(ref types.ManagedObjectReference) interface{} {
		return &types.PowerOnMultiVM_TaskResponse{Returnval: ref}
	})
}

// switchOn checks and does a power on; the VM's lock is held.
func (l *lab) switchOn(ctx *simulator.Context, vm *simulator.VirtualMachine) *refusal {
	if vm.Runtime.PowerState == poweredOn {
		return refuse("power-state", invalidPower(poweredOn, vm.Runtime.PowerState), "%s is powered on.", vm.Name)
	}
	if vm.Config.Template {
		return refuse("template-power", &types.InvalidState{}, "%s is a template.", vm.Name)
	}
	if h := l.host(vm.Runtime.Host); h == nil || h.Runtime.InMaintenanceMode {
		return refuse("host-maintenance", &types.InvalidHostState{Host: vm.Runtime.Host},
			"The host of %s is in maintenance mode.", vm.Name)
	}
	devices := vm.Config.Hardware.Device
	for _, dev := range devices {
		if no := l.checkIDESlave(vm, devices, dev); no != nil {
			return no
		}
		if disk, ok := dev.(*types.VirtualDisk); ok {
			if no := l.checkDiskOpens(vm, disk); no != nil {
				return no
			}
		}
	}
	tools := "guestToolsNotRunning"
	if l.privateOf(vm.Self).hasTools {
		tools = "guestToolsRunning"
	}
	now := time.Now().UTC()
	changes := append(powerChanges(poweredOn, tools),
		set("runtime.bootTime", now), set("summary.runtime.bootTime", now),
		set("config.hardware.device", l.connectAll(vm, true)))
	updateObject(ctx, l.reg, vm, changes)
	l.noteOpen(vm)
	return nil
}

// switchOff powers off or suspends; the VM's lock is held.
func (l *lab) switchOff(ctx *simulator.Context, vm *simulator.VirtualMachine,
	to types.VirtualMachinePowerState) *refusal {
	if have := vm.Runtime.PowerState; have != poweredOn && (to == suspended || have != suspended) {
		return refuse("power-state", invalidPower(poweredOn, have), "%s is not powered on.", vm.Name)
	}
	changes := append(powerChanges(to, "guestToolsNotRunning"),
		set("config.hardware.device", l.connectAll(vm, false)))
	vm.Runtime.BootTime, vm.Summary.Runtime.BootTime = nil, nil
	updateObject(ctx, l.reg, vm, changes)
	l.noteOpen(vm)
	return nil
}

func powerChanges(state types.VirtualMachinePowerState, tools string) []types.PropertyChange {
	return []types.PropertyChange{
		set("runtime.powerState", state), set("summary.runtime.powerState", state),
		set("guest.toolsRunningStatus", tools), set("summary.guest.toolsRunningStatus", tools),
		set("guest.guestState", map[bool]string{true: "running", false: "notRunning"}[tools == "guestToolsRunning"]),
	}
}

// connectAll returns the devices with their connections as after power on or
// off.
func (l *lab) connectAll(vm *simulator.VirtualMachine, on bool) []types.BaseVirtualDevice {
	devices := append([]types.BaseVirtualDevice(nil), vm.Config.Hardware.Device...)
	for i, dev := range devices {
		old := dev.GetVirtualDevice().Connectable
		if old == nil {
			continue
		}
		connect := *old
		connect.Connected = on && old.StartConnected
		if cd, ok := dev.(*types.VirtualCdrom); ok && on {
			connect.Connected = l.startMedia(cd, vm.Runtime.Host)
		}
		devices[i] = shallowCopy(dev)
		devices[i].GetVirtualDevice().Connectable = &connect
	}
	return devices
}

func (l *lab) checkIDESlave(vm *simulator.VirtualMachine, devices []types.BaseVirtualDevice,
	dev types.BaseVirtualDevice) *refusal {
	v := dev.GetVirtualDevice()
	_, controller := findKey(devices, v.ControllerKey)
	if controller == nil || busOf(controller) != busIDE || v.UnitNumber == nil || *v.UnitNumber != 1 ||
		occupant(devices, v.ControllerKey, 0, v.Key) != nil {
		return nil
	}
	return refuse("ide-master", genericVMFault("msg.ide.slaveNoMaster"),
		"%s of %s is a slave without a master.", slotName(controller, 1), vm.Name)
}

// checkDiskOpens: a disk is there and no other running VM has it open.
func (l *lab) checkDiskOpens(vm *simulator.VirtualMachine, disk *types.VirtualDisk) *refusal {
	name := fileBacking(disk)
	p, file, fault := l.parseDatastorePath(name)
	if fault != nil || !l.mounts(vm.Runtime.Host, p.Datastore) {
		return refuse("iso-reachable", &types.InvalidDatastore{Name: p.Datastore},
			"The host of %s does not reach datastore %s.", vm.Name, p.Datastore)
	}
	if _, no := l.checkDescriptor(name, file); no != nil {
		return no
	}
	if hasDisk(vm.Config.Hardware.Device, name, disk.Key) {
		return refuse("disk-exclusive", &types.FileLocked{FileFault: types.FileFault{File: name}},
			"%s is a disk of %s twice.", name, vm.Name)
	}
	if other := l.opensAgainst(vm.Self, disk); other != "" {
		return refuse("disk-exclusive", &types.FileLocked{FileFault: types.FileFault{File: name}},
			"%s is open by %s.", name, other)
	}
	return nil
}

// hasDisk is true when a device with another key is a disk with that file: a VM
// does not open one twice.
func hasDisk(devices []types.BaseVirtualDevice, file string, except int32) bool {
	for _, dev := range devices {
		disk, ok := dev.(*types.VirtualDisk)
		if ok && disk.Key != except && cleanPath(fileBacking(disk)) == cleanPath(file) {
			return true
		}
	}
	return false
}

func (l *lab) shutdownGuest(c call) (interface{}, *refusal) {
	vm, no := l.guestTarget(c)
	if no != nil {
		return nil, no
	}
	if l.privateOf(vm.Self).ignores {
		return &types.ShutdownGuestResponse{}, nil
	}
	go func() {
		time.Sleep(l.guestShutdown)
		l.locked(vm, func(ctx *simulator.Context) { _ = l.switchOff(ctx, vm, poweredOff) })
	}()
	return &types.ShutdownGuestResponse{}, nil
}

func (l *lab) rebootGuest(c call) (interface{}, *refusal) {
	vm, no := l.guestTarget(c)
	if no != nil {
		return nil, no
	}
	l.locked(vm, func(ctx *simulator.Context) {
		now := time.Now().UTC()
		updateObject(ctx, l.reg, vm, []types.PropertyChange{
			set("runtime.bootTime", now), set("summary.runtime.bootTime", now),
		})
	})
	return &types.RebootGuestResponse{}, nil
}

// guestTarget finds the VM of a guest operation, whose Tools must run.
func (l *lab) guestTarget(c call) (*simulator.VirtualMachine, *refusal) {
	vm, no := l.powerTarget(c)
	switch {
	case no != nil:
		return nil, no
	case vm.Runtime.PowerState != poweredOn:
		return nil, refuse("power-state", invalidPower(poweredOn, vm.Runtime.PowerState),
			"%s is not powered on.", vm.Name)
	case vm.Guest == nil || vm.Guest.ToolsRunningStatus != "guestToolsRunning":
		return nil, refuse("tools", &types.ToolsUnavailable{}, "VMware Tools do not run in %s.", vm.Name)
	}
	return vm, nil
}
