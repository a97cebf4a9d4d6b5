package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// A reconfigure is done on a draft: the rules look at the draft, and only a
// draft without a refusal is published, in one update.  So a refused
// reconfigure leaves nothing behind.

// reconfigurePrivileges maps what a spec does to the privilege that needs.
var reconfigurePrivileges = map[string]string{
	"settings":        "VirtualMachine.Config.Settings",
	"advanced":        "VirtualMachine.Config.AdvancedConfig",
	"rename":          "VirtualMachine.Config.Rename",
	"annotation":      "VirtualMachine.Config.Annotation",
	"cpu":             "VirtualMachine.Config.CPUCount",
	"memory":          "VirtualMachine.Config.Memory",
	"add-device":      "VirtualMachine.Config.AddRemoveDevice",
	"edit-device":     "VirtualMachine.Config.EditDevice",
	"new-disk":        "VirtualMachine.Config.AddNewDisk",
	"existing-disk":   "VirtualMachine.Config.AddExistingDisk",
	"remove-disk":     "VirtualMachine.Config.RemoveDisk",
	"cd-media":        "VirtualMachine.Interact.SetCDMedia",
	"connect":         "VirtualMachine.Interact.DeviceConnection",
	"answer":          "VirtualMachine.Interact.AnswerQuestion",
	"datastore-space": "Datastore.AllocateSpace",
}

// draft is a VM as it will be.
type draft struct {
	l    *lab
	vm   *simulator.VirtualMachine
	spec *types.VirtualMachineConfigSpec
	sent sentFields
	on   bool
	hw   int

	devices []types.BaseVirtualDevice
	renamed map[int32]int32 // key in the spec, or before a move, to the new key
	boot    *types.VirtualMachineBootOptions
	extra   []types.BaseOptionValue
	config  types.VirtualMachineConfigInfo

	ejects  bool      // takes media away that the guest may hold
	create  []newDisk // disks to make when the draft is published
	destroy []string  // disks to delete then

	policies map[string]string // storage policies by disk file
}

type newDisk struct {
	name, file string
	capacity   int64
	thin       bool
}

// sentFields tells zero values that were sent from fields that were not.
type sentFields struct {
	bootDelay, bootRetryDelay, annotation bool
}

func (l *lab) reconfigVM(c call) (interface{}, *refusal) {
	vm, no := l.vmOf(c)
	if no != nil {
		return nil, no
	}
	var req types.ReconfigVM_Task
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	if no := l.reconfigureAllowed(vm, &req.Spec); no != nil {
		return nil, no
	}
	sent := sentIn(c)
	return l.respond(job{
		object: vm, label: vm.Name, name: "ReconfigVM_Task", description: "VirtualMachine.reconfigure",
		user: c.user, exclusive: true,
		before: func() *refusal { return l.askBeforeEject(vm, req.Spec, sent) },
		run: func(ctx *simulator.Context) (types.AnyType, *refusal) {
			return nil, l.reconfigure(ctx, vm, &req.Spec, sent)
		},
	}, func(ref types.ManagedObjectReference) interface{} {
		return &types.ReconfigVM_TaskResponse{Returnval: ref}
	})
}

func sentIn(c call) sentFields {
	var s sentFields
	_, s.bootDelay = c.child("spec", "bootOptions", "bootDelay")
	_, s.bootRetryDelay = c.child("spec", "bootOptions", "bootRetryDelay")
	_, s.annotation = c.child("spec", "annotation")
	return s
}

// reconfigure makes, checks and publishes a draft; the VM's lock is held.
func (l *lab) reconfigure(ctx *simulator.Context, vm *simulator.VirtualMachine,
	spec *types.VirtualMachineConfigSpec, sent sentFields) *refusal {
	d, no := l.newDraft(vm, spec, sent)
	if no != nil {
		return no
	}
	return d.publish(ctx)
}

func (l *lab) newDraft(vm *simulator.VirtualMachine, spec *types.VirtualMachineConfigSpec,
	sent sentFields) (*draft, *refusal) {
	d := &draft{
		l: l, vm: vm, spec: spec, sent: sent,
		on:      vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn,
		hw:      hardwareVersion(vm.Config.Version),
		devices: append([]types.BaseVirtualDevice(nil), vm.Config.Hardware.Device...),
		renamed: map[int32]int32{},
		extra:   append([]types.BaseOptionValue(nil), vm.Config.ExtraConfig...),
		config:  *vm.Config,

		policies: l.policiesOf(vm.Self),
		boot:     &types.VirtualMachineBootOptions{},
	}
	if vm.Config.BootOptions != nil {
		*d.boot = *vm.Config.BootOptions
	}
	for _, step := range []func() *refusal{
		d.checkTemplate, d.checkVersion, d.checkFaultTolerance, d.checkSuspended, d.applyScalars, d.applyDevices, d.applyBoot, d.applyExtra,
	} {
		if no := step(); no != nil {
			return nil, no
		}
	}
	return d, nil
}

func hardwareVersion(version string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(version, "vmx-"))
	return n
}

func (d *draft) checkTemplate() *refusal {
	if !d.vm.Config.Template {
		return nil
	}
	for _, field := range setFields(d.spec) {
		switch field {
		case "Name", "Annotation", "ChangeVersion":
		default:
			return refuse("template-fixed", &types.NotSupported{},
				"%s is a template: only its name and annotation can be changed, not %s.", d.vm.Name, field)
		}
	}
	return nil
}

func (d *draft) checkFaultTolerance() *refusal {
	state := d.vm.Runtime.FaultToleranceState
	if len(d.spec.DeviceChange) > 0 && state != "" && state != types.VirtualMachineFaultToleranceStateNotConfigured {
		return refuse("fault-tolerant", &types.NotSupported{}, "%s is fault tolerant: its devices do not change.", d.vm.Name)
	}
	return nil
}

func (d *draft) checkSuspended() *refusal {
	if len(d.spec.DeviceChange) > 0 && d.vm.Runtime.PowerState == suspended {
		return d.live("suspended", "%s is suspended: its devices do not change.", d.vm.Name)
	}
	return nil
}

func (d *draft) checkVersion() *refusal {
	if want := d.spec.ChangeVersion; want != "" && want != d.vm.Config.ChangeVersion {
		return refuse("change-version", &types.ConcurrentAccess{},
			"The configuration of %s was changed by another client (changeVersion %s).", d.vm.Name, want)
	}
	return nil
}

// modelled are the fields of a spec that the draft understands.
var modelled = map[string]bool{
	"ChangeVersion": true, "Name": true, "Annotation": true, "Firmware": true, "Version": true,
	"GuestId": true, "AlternateGuestName": true, "Uuid": true, "InstanceUuid": true,
	"NumCPUs": true, "NumCoresPerSocket": true, "MemoryMB": true, "Flags": true, "Tools": true,
	"ManagedBy": true, "CpuHotAddEnabled": true, "MemoryHotAddEnabled": true,
	"NestedHVEnabled": true, "CpuAllocation": true, "MemoryAllocation": true,
	"DeviceChange": true, "ExtraConfig": true, "BootOptions": true,
}

func (d *draft) applyScalars() *refusal {
	for _, field := range setFields(d.spec) {
		if !modelled[field] {
			return refuse("spec-known", &types.NotSupported{}, "The lab does not model configSpec.%s.", field)
		}
	}
	if no := d.checkLiveScalars(); no != nil {
		return no
	}
	s, c := d.spec, &d.config
	for _, f := range []struct {
		from string
		to   *string
	}{
		{s.Name, &c.Name}, {s.Firmware, &c.Firmware}, {s.Version, &c.Version},
		{s.GuestId, &c.GuestId}, {s.AlternateGuestName, &c.AlternateGuestName},
		{s.Uuid, &c.Uuid}, {s.InstanceUuid, &c.InstanceUuid},
	} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if s.Annotation != "" || d.sent.annotation {
		c.Annotation = s.Annotation
	}
	if s.NumCPUs != 0 {
		c.Hardware.NumCPU = s.NumCPUs
	}
	if s.MemoryMB != 0 {
		c.Hardware.MemoryMB = int32(s.MemoryMB)
	}
	setCoresPerSocket(&c.Hardware, s)
	copyPointers(s, c, "Tools", "ManagedBy", "CpuHotAddEnabled", "MemoryHotAddEnabled",
		"NestedHVEnabled", "CpuAllocation", "MemoryAllocation")
	if s.Flags != nil {
		c.Flags = *s.Flags
	}
	return nil
}

// copyPointers copies pointer fields of one name where the spec sets them.
func copyPointers(spec, config interface{}, fields ...string) {
	from, to := reflect.ValueOf(spec).Elem(), reflect.ValueOf(config).Elem()
	for _, name := range fields {
		if v := from.FieldByName(name); !v.IsZero() {
			to.FieldByName(name).Set(v)
		}
	}
}

func (d *draft) checkLiveScalars() *refusal {
	s := d.spec
	if !d.on {
		return nil
	}
	changes := map[string]bool{
		"firmware":         s.Firmware != "" && s.Firmware != d.vm.Config.Firmware,
		"hardware version": s.Version != "" && s.Version != d.vm.Config.Version,
		"guest type":       s.GuestId != "" && s.GuestId != d.vm.Config.GuestId,
		"CPU count": s.NumCPUs != 0 && s.NumCPUs != d.vm.Config.Hardware.NumCPU &&
			!isTrue(d.vm.Config.CpuHotAddEnabled),
		"memory": s.MemoryMB != 0 && int32(s.MemoryMB) != d.vm.Config.Hardware.MemoryMB &&
			!isTrue(d.vm.Config.MemoryHotAddEnabled),
	}
	for what, changed := range changes {
		if changed {
			return d.live("live-firmware", "The %s of %s cannot be changed while it is powered on.", what, d.vm.Name)
		}
	}
	return nil
}

func isTrue(b *bool) bool { return b != nil && *b }

// live refuses because of the power state.
func (d *draft) live(rule, format string, args ...interface{}) *refusal {
	return refuse(rule, invalidPower(types.VirtualMachinePowerStatePoweredOff, d.vm.Runtime.PowerState),
		format, args...)
}

func (d *draft) applyExtra() *refusal {
	for _, o := range d.spec.ExtraConfig {
		d.extra = mergeOption(d.extra, o.GetOptionValue())
	}
	return nil
}

// mergeOption sets one extraConfig key; an empty value removes it.
func mergeOption(list []types.BaseOptionValue, option *types.OptionValue) []types.BaseOptionValue {
	out := list[:0:0]
	done := false
	for _, old := range list {
		if old.GetOptionValue().Key != option.Key {
			out = append(out, old)
		} else if !done && option.Value != "" {
			out = append(out, option)
			done = true
		}
	}
	if !done && option.Value != "" {
		out = append(out, option)
	}
	return out
}

var changeCounter int64

// publish writes the draft to the VM and tells every property filter.
func (d *draft) publish(ctx *simulator.Context) *refusal {
	if no := d.touchFiles(ctx); no != nil {
		return no
	}
	vm, c := d.vm, &d.config
	changes := []types.PropertyChange{
		set("config.changeVersion", fmt.Sprintf("%s-%d", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"),
			atomic.AddInt64(&changeCounter, 1))),
		set("config.modified", time.Now().UTC()),
	}
	changes = append(changes, d.scalarChanges()...)
	if len(d.spec.DeviceChange) > 0 {
		changes = append(changes, set("config.hardware.device", d.devices))
		changes = append(changes, d.deviceSummary()...)
	}
	if !reflect.DeepEqual(d.boot, vm.Config.BootOptions) {
		changes = append(changes, set("config.bootOptions", d.boot))
	}
	if len(d.spec.ExtraConfig) > 0 {
		changes = append(changes, set("config.extraConfig", d.extra))
	}
	copyPointers(d.spec, vm.Config, "Tools", "ManagedBy", "CpuHotAddEnabled", "MemoryHotAddEnabled",
		"NestedHVEnabled", "CpuAllocation", "MemoryAllocation")
	vm.Config.Hardware.NumCoresPerSocket = c.Hardware.NumCoresPerSocket
	if d.spec.Flags != nil {
		vm.Config.Flags = c.Flags
	}
	updateObject(ctx, d.l.reg, vm, changes)
	d.l.relate(vm)
	d.l.noteOpen(vm)
	d.publishPolicies()
	return nil
}

func (d *draft) scalarChanges() []types.PropertyChange {
	var out []types.PropertyChange
	old, c := d.vm.Config, &d.config
	add := func(changed bool, value interface{}, names ...string) {
		for _, name := range names {
			if changed {
				out = append(out, set(name, value))
			}
		}
	}
	add(old.Name != c.Name, c.Name, "name", "config.name", "summary.config.name")
	add(old.Annotation != c.Annotation, c.Annotation, "config.annotation", "summary.config.annotation")
	add(old.Firmware != c.Firmware, c.Firmware, "config.firmware")
	add(old.Version != c.Version, c.Version, "config.version")
	add(old.GuestId != c.GuestId, c.GuestId, "config.guestId", "summary.config.guestId")
	add(old.AlternateGuestName != c.AlternateGuestName, c.AlternateGuestName, "config.alternateGuestName")
	add(old.Uuid != c.Uuid, c.Uuid, "config.uuid", "summary.config.uuid")
	add(old.InstanceUuid != c.InstanceUuid, c.InstanceUuid, "config.instanceUuid", "summary.config.instanceUuid")
	add(old.Hardware.NumCPU != c.Hardware.NumCPU, c.Hardware.NumCPU,
		"config.hardware.numCPU", "summary.config.numCpu")
	add(old.Hardware.MemoryMB != c.Hardware.MemoryMB, c.Hardware.MemoryMB,
		"config.hardware.memoryMB", "summary.config.memorySizeMB")
	return out
}

func (d *draft) deviceSummary() []types.PropertyChange {
	disks, nics := int32(0), int32(0)
	for _, dev := range d.devices {
		if _, ok := dev.(*types.VirtualDisk); ok {
			disks++
		} else if isNIC(dev) {
			nics++
		}
	}
	return []types.PropertyChange{
		set("summary.config.numVirtualDisks", disks),
		set("summary.config.numEthernetCards", nics),
	}
}

// reconfigureAllowed checks every privilege that a spec needs.
func (l *lab) reconfigureAllowed(vm *simulator.VirtualMachine, spec *types.VirtualMachineConfigSpec) *refusal {
	if !l.privileges.any() {
		return nil
	}
	var ids []string
	need := func(when bool, what string) {
		if when {
			ids = append(ids, reconfigurePrivileges[what])
		}
	}
	need(spec.BootOptions != nil || spec.Firmware != "", "settings")
	need(len(spec.ExtraConfig) > 0, "advanced")
	need(spec.Name != "", "rename")
	need(spec.Annotation != "", "annotation")
	need(spec.NumCPUs != 0, "cpu")
	need(spec.MemoryMB != 0, "memory")
	for _, change := range spec.DeviceChange {
		l.devicePrivileges(vm, change.GetVirtualDeviceConfigSpec(), need)
	}
	return l.allowed(vm.Self, ids...)
}

func (l *lab) devicePrivileges(vm *simulator.VirtualMachine, c *types.VirtualDeviceConfigSpec, need func(bool, string)) {
	if c == nil || c.Device == nil {
		return
	}
	_, isDisk := c.Device.(*types.VirtualDisk)
	add := c.Operation == types.VirtualDeviceConfigSpecOperationAdd
	edit := c.Operation == types.VirtualDeviceConfigSpecOperationEdit
	if cd, ok := c.Device.(*types.VirtualCdrom); ok && edit {
		var old types.BaseVirtualDevice
		l.locked(vm, func(*simulator.Context) { _, old = findKey(vm.Config.Hardware.Device, cd.Key) })
		if old == nil {
			return
		}
		was, now := old.GetVirtualDevice(), cd.GetVirtualDevice()
		need(fileBacking(cd) != fileBacking(old) || reflect.TypeOf(cd.Backing) != reflect.TypeOf(was.Backing), "cd-media")
		need(now.Connectable != nil && !reflect.DeepEqual(now.Connectable, was.Connectable), "connect")
		need(now.ControllerKey != was.ControllerKey ||
			now.UnitNumber != nil && was.UnitNumber != nil && *now.UnitNumber != *was.UnitNumber, "edit-device")
		return
	}
	need(isDisk && add && c.FileOperation != "", "new-disk")
	need(isDisk && add && c.FileOperation == "", "existing-disk")
	need(isDisk && c.Operation == types.VirtualDeviceConfigSpecOperationRemove, "remove-disk")
	need(edit, "edit-device")
	need(!isDisk && !edit, "add-device")
	if cd, ok := c.Device.(*types.VirtualCdrom); ok {
		need(add && fileBacking(cd) != "", "cd-media")
	}
}
