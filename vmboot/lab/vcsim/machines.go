package main

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// vmPlan is one virtual machine of the inventory.
type vmPlan struct {
	name, folder string
	host         string
	datastore    string
	efi          bool
	hw           int
	cds          []cdPlan
	extraDisks   []slot // beside the disk at SCSI 0:0
	noBootDisk   bool
	sata         bool // a SATA controller even without a device on it
	secureBoot   bool
	bootWords    []string
	bootDelay    int64
	setup        *bool
	retry        *bool
	retryDelay   int64
	annotation   string
	extra        [][2]string
	guestID      string
	on           bool
	template     bool
	private      vmPrivate
	mac          int

	layout *layout // controllers and disks instead of PVSCSI with a disk at 0:0
}

type slot struct {
	kind bus
	unit int32
}

type cdPlan struct {
	slot
	iso   string
	start bool
}

// build makes one virtual machine and registers it everywhere.
func (b *builder) build(p vmPlan) (*simulator.VirtualMachine, error) {
	host := b.hosts[p.host]
	pool := b.hostPool(host)
	vm, err := b.create(p, host, pool)
	if err != nil {
		return nil, err
	}
	devices, err := b.devices(p)
	if err != nil {
		return nil, err
	}
	b.configure(vm, p, devices)
	if vm.Config.BootOptions, err = b.bootOptions(p, devices); err != nil {
		return nil, err
	}
	b.relate(vm)
	b.noteOpen(vm)
	b.private[vm.Self] = p.private
	if p.on {
		if no := b.switchOn(b.context(), vm); no != nil {
			return nil, fmt.Errorf("%s: %s", p.name, no.message)
		}
	}
	if p.template {
		if no := b.toTemplate(b.context(), vm); no != nil {
			return nil, fmt.Errorf("%s: %s", p.name, no.message)
		}
	}
	return vm, nil
}

// create lets the simulator make the bare VM, so that it has its files.
func (b *builder) create(p vmPlan, host *simulator.HostSystem,
	pool types.ManagedObjectReference) (*simulator.VirtualMachine, error) {
	directory, err := b.makeHome(p.datastore, b.directory(p))
	if err != nil {
		return nil, err
	}
	request := &types.CreateVM_Task{
		This: b.vmDirs[p.folder].Self,
		Config: types.VirtualMachineConfigSpec{
			Name:    p.name,
			GuestId: p.guestID,
			Files: &types.VirtualMachineFileInfo{
				VmPathName: fmt.Sprintf("[%s] %s/%s.vmx", p.datastore, directory, p.name),
			},
		},
		Pool: pool,
		Host: &host.Self,
	}
	result, err := b.runTask(b.vmDirs[p.folder], "CreateVMTask", request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return b.vm(result.(types.ManagedObjectReference)), nil
}

// directory of a VM: the second of two VMs of one name gets another.
func (b *builder) directory(p vmPlan) string {
	if p.folder == "Special/two" {
		return p.name + "_1"
	}
	return p.name
}

// configure sets what a vCenter would show of such a VM.
func (b *builder) configure(vm *simulator.VirtualMachine, p vmPlan, devices []types.BaseVirtualDevice) {
	uuid := fixedUUID("vm", p.folder+"/"+p.name)
	c := vm.Config
	c.Hardware.Device = devices
	c.Hardware.NumCPU, c.Hardware.MemoryMB = 2, 4096
	c.Hardware.NumCoresPerSocket = coresPerSocket(1)
	c.Firmware = map[bool]string{true: "efi", false: "bios"}[p.efi]
	c.Version = fmt.Sprintf("vmx-%02d", p.hw)
	c.Uuid, c.InstanceUuid = uuid, fixedUUID("instance", p.folder+"/"+p.name)
	c.Annotation = p.annotation
	c.ChangeVersion = "2026-01-01T00:00:00.000000Z"
	c.Modified = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c.GuestFullName = p.guestID
	c.ExtraConfig = nil
	for _, kv := range append([][2]string{{"nvram", p.name + ".nvram"}, {"svga.present", "TRUE"}}, p.extra...) {
		c.ExtraConfig = append(c.ExtraConfig, &types.OptionValue{Key: kv[0], Value: kv[1]})
	}
	setEnums(vm)
	vm.Runtime.ConnectionState = types.VirtualMachineConnectionStateConnected
	vm.Runtime.PowerState = poweredOff
	vm.Summary.Runtime = vm.Runtime
	s := &vm.Summary.Config
	s.Uuid, s.InstanceUuid, s.Annotation = c.Uuid, c.InstanceUuid, c.Annotation
	s.NumCpu, s.MemorySizeMB = c.Hardware.NumCPU, c.Hardware.MemoryMB
	s.NumVirtualDisks, s.NumEthernetCards = countDisks(devices), 1
	vm.Guest.ToolsStatus = types.VirtualMachineToolsStatusToolsNotInstalled
	if p.private.hasTools {
		vm.Guest.ToolsStatus = types.VirtualMachineToolsStatusToolsOk
	}
	vm.Guest.ToolsRunningStatus = "guestToolsNotRunning"
	vm.Summary.Guest.ToolsStatus = vm.Guest.ToolsStatus
	vm.Summary.Guest.ToolsRunningStatus = vm.Guest.ToolsRunningStatus
}

// setEnums fills in what the simulator leaves empty: an empty enum makes a
// whole read of vm.runtime fail in pyvmomi.
func setEnums(obj mo.Reference) {
	vm, ok := obj.(*simulator.VirtualMachine)
	if !ok {
		return
	}
	for _, runtime := range []*types.VirtualMachineRuntimeInfo{&vm.Runtime, &vm.Summary.Runtime} {
		runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
		runtime.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
	}
}

func countDisks(devices []types.BaseVirtualDevice) int32 {
	n := int32(0)
	for _, dev := range devices {
		if _, ok := dev.(*types.VirtualDisk); ok {
			n++
		}
	}
	return n
}

func (b *builder) bootOptions(p vmPlan, devices []types.BaseVirtualDevice) (*types.VirtualMachineBootOptions, error) {
	order, err := bootOrder(p.bootWords, devices)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	o := &types.VirtualMachineBootOptions{
		BootDelay: p.bootDelay, BootOrder: order,
		EnterBIOSSetup: types.NewBool(false), BootRetryEnabled: types.NewBool(false),
		BootRetryDelay: 10000, NetworkBootProtocol: "ipv4",
		EfiSecureBootEnabled: types.NewBool(p.secureBoot),
	}
	if p.setup != nil {
		o.EnterBIOSSetup = p.setup
	}
	if p.retry != nil {
		o.BootRetryEnabled, o.BootRetryDelay = p.retry, p.retryDelay
	}
	return o, nil
}

const bootDiskBytes = 32 << 30

// devices are those of a VM that a vCenter made, in its order, with its keys.
func (b *builder) devices(p vmPlan) ([]types.BaseVirtualDevice, error) {
	if p.layout != nil {
		return b.layoutDevices(p)
	}
	list := baseDevices()
	disks := p.extraDisks
	if !p.noBootDisk {
		disks = append([]slot{{busSCSI, 0}}, disks...)
	}
	list = append(list, &types.ParaVirtualSCSIController{VirtualSCSIController: types.VirtualSCSIController{
		VirtualController:  controllerOf(1000, 0),
		HotAddRemove:       types.NewBool(true),
		SharedBus:          types.VirtualSCSISharingNoSharing,
		ScsiCtlrUnitNumber: scsiOwnUnit,
	}})
	if p.needsSATA() {
		list = append(list, &types.VirtualAHCIController{VirtualSATAController: types.VirtualSATAController{
			VirtualController: controllerOf(15000, 0),
		}})
	}
	for n, s := range disks {
		name := fmt.Sprintf("[%s] %s/%s.vmdk", p.datastore, b.directory(p), diskName(p.name, n))
		if err := b.writeDisk(name, bootDiskBytes, true); err != nil {
			return nil, err
		}
		list = append(list, b.disk(s, name, p.datastore))
	}
	for _, cd := range p.cds {
		list = append(list, b.cdrom(cd))
	}
	list = append(list, b.nic(p))
	return finish(list), nil
}

func (p vmPlan) needsSATA() bool {
	need := p.sata
	for _, cd := range p.cds {
		need = need || cd.kind == busSATA
	}
	for _, s := range p.extraDisks {
		need = need || s.kind == busSATA
	}
	return need
}

func diskName(vm string, n int) string {
	if n == 0 {
		return vm
	}
	return fmt.Sprintf("%s_%d", vm, n)
}

// finish labels the devices, sorts them and fills the controllers' lists.
func finish(list []types.BaseVirtualDevice) []types.BaseVirtualDevice {
	for i, dev := range list {
		v := dev.GetVirtualDevice()
		if v.DeviceInfo == nil {
			v.DeviceInfo = &types.Description{Label: freeLabel(list[:i], dev), Summary: deviceSummary(dev)}
		}
	}
	list = controllersFirst(list)
	settleControllers(list)
	return list
}

func described(key int32, controller int32, label, summary string) types.VirtualDevice {
	return types.VirtualDevice{
		Key: key, ControllerKey: controller,
		DeviceInfo: &types.Description{Label: label, Summary: summary},
	}
}

func controllerOf(key, number int32) types.VirtualController {
	c := types.VirtualController{VirtualDevice: types.VirtualDevice{Key: key}, BusNumber: number}
	if key >= 1000 {
		c.ControllerKey = 100
		c.UnitNumber = types.NewInt32(map[bool]int32{true: 3, false: 24}[key < 15000] + number)
	}
	return c
}

func baseDevices() []types.BaseVirtualDevice {
	keyboard := described(600, 300, "Keyboard", "Keyboard")
	keyboard.UnitNumber = types.NewInt32(0)
	mouse := described(700, 300, "Pointing device", "Pointing device; Device")
	mouse.UnitNumber = types.NewInt32(1)
	video := described(500, 100, "Video card", "Video card")
	video.UnitNumber = types.NewInt32(0)
	vmci := described(12000, 100, "VMCI device", "Device on the virtual machine PCI bus")
	vmci.UnitNumber = types.NewInt32(17)
	other := func(key int32, label string) types.VirtualController {
		return types.VirtualController{VirtualDevice: described(key, 0, label, label)}
	}
	return []types.BaseVirtualDevice{
		&types.VirtualIDEController{VirtualController: controllerOf(200, 0)},
		&types.VirtualIDEController{VirtualController: controllerOf(201, 1)},
		&types.VirtualPS2Controller{VirtualController: other(300, "PS2 controller 0")},
		&types.VirtualPCIController{VirtualController: other(100, "PCI controller 0")},
		&types.VirtualSIOController{VirtualController: other(400, "SIO controller 0")},
		&types.VirtualKeyboard{VirtualDevice: keyboard},
		&types.VirtualPointingDevice{VirtualDevice: mouse},
		&types.VirtualMachineVideoCard{VirtualDevice: video, VideoRamSizeInKB: 8192, NumDisplays: 1},
		&types.VirtualMachineVMCIDevice{VirtualDevice: vmci, Id: -1},
	}
}

func (b *builder) disk(s slot, name, datastore string) types.BaseVirtualDevice {
	ref := b.places[datastore].ref
	unit := s.unit
	return &types.VirtualDisk{
		VirtualDevice: types.VirtualDevice{
			Key: slotKey(s.kind, 0, unit), ControllerKey: firstController[s.kind], UnitNumber: &unit,
			Backing: &types.VirtualDiskFlatVer2BackingInfo{
				VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: name, Datastore: &ref},
				DiskMode:                     string(types.VirtualDiskModePersistent),
				Split:                        types.NewBool(false), WriteThrough: types.NewBool(false),
				ThinProvisioned: types.NewBool(true), EagerlyScrub: types.NewBool(false),
				Uuid: fixedUUID("disk", name),
			},
		},
		CapacityInKB: bootDiskBytes / 1024, CapacityInBytes: bootDiskBytes,
		DiskObjectId: fixedUUID("diskobject", name),
	}
}

func (b *builder) cdrom(p cdPlan) types.BaseVirtualDevice {
	unit := p.unit
	cd := &types.VirtualCdrom{VirtualDevice: types.VirtualDevice{
		Key: slotKey(p.kind, 0, unit), ControllerKey: firstController[p.kind], UnitNumber: &unit,
		Backing: cdBacking(p.iso),
		Connectable: &types.VirtualDeviceConnectInfo{
			StartConnected: p.start, AllowGuestControl: true, Status: "untried",
		},
	}}
	if iso, ok := cd.Backing.(*types.VirtualCdromIsoBackingInfo); ok {
		_, _, fault := b.parseDatastorePath(p.iso)
		if fault == nil {
			var ref = b.places["shared-01"].ref
			iso.Datastore = &ref
		}
	}
	return cd
}

func (b *builder) nic(p vmPlan) types.BaseVirtualDevice {
	network := b.network
	unit := int32(7)
	return &types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{VirtualEthernetCard: types.VirtualEthernetCard{
		VirtualDevice: types.VirtualDevice{
			Key: 4000, ControllerKey: 100, UnitNumber: &unit,
			Backing: &types.VirtualEthernetCardNetworkBackingInfo{
				VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{
					DeviceName: networkName, UseAutoDetect: types.NewBool(false),
				},
				Network: &network,
			},
			Connectable: &types.VirtualDeviceConnectInfo{
				StartConnected: true, AllowGuestControl: true, Status: "untried",
			},
		},
		AddressType:      string(types.VirtualEthernetCardMacTypeAssigned),
		MacAddress:       fmt.Sprintf("00:50:56:%02x:%02x:%02x", 0x80|p.mac>>16&0x3f, p.mac>>8&0xff, p.mac&0xff),
		WakeOnLanEnabled: types.NewBool(true),
	}}}
}
