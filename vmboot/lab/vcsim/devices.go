package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"sort"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// applyDevices carries out the device changes of a spec in their order, as a
// vCenter does: [move the occupant, add ours] passes, the reverse does not.
func (d *draft) applyDevices() *refusal {
	for i, change := range d.spec.DeviceChange {
		spec := change.GetVirtualDeviceConfigSpec()
		if spec == nil || spec.Device == nil {
			return refuse("edit-complete", invalidDevice(i), "Device change %d names no device.", i)
		}
		var no *refusal
		switch spec.Operation {
		case types.VirtualDeviceConfigSpecOperationAdd:
			no = d.addDevice(i, spec)
		case types.VirtualDeviceConfigSpecOperationEdit:
			no = d.editDevice(i, spec)
		case types.VirtualDeviceConfigSpecOperationRemove:
			no = d.removeDevice(i, spec)
		default:
			no = refuse("edit-complete", invalidDevice(i), "Device change %d has no operation.", i)
		}
		if no != nil {
			return no
		}
	}
	if len(d.spec.DeviceChange) > 0 {
		d.settleKeys()
		d.settleControllers()
	}
	return nil
}

func (d *draft) addDevice(i int, spec *types.VirtualDeviceConfigSpec) *refusal {
	dev := shallowCopy(spec.Device)
	if _, ok := dev.(types.BaseVirtualController); ok {
		return d.addController(i, dev)
	}
	v := dev.GetVirtualDevice()
	v.ControllerKey = d.currentKey(v.ControllerKey)
	if isStorage(dev) {
		if no := d.addStorage(i, spec, dev); no != nil {
			return no
		}
	} else if isNIC(dev) {
		if no := d.addNIC(i, dev); no != nil {
			return no
		}
	}
	sentKey := v.Key
	v.Key = d.newKey(dev)
	if sentKey != 0 {
		d.renamed[sentKey] = v.Key
	}
	d.describe(dev)
	d.devices = append(d.devices, dev)
	return nil
}

// currentKey translates a key that the spec made up to the one given.
func (d *draft) currentKey(key int32) int32 {
	if key < 0 {
		if given, ok := d.renamed[key]; ok {
			return given
		}
	}
	return key
}

func (d *draft) addController(i int, dev types.BaseVirtualDevice) *refusal {
	kind := busOf(dev)
	v := dev.GetVirtualDevice()
	sentKey := v.Key
	switch {
	case kind == busNone:
		v.Key = d.newKey(dev)
		d.renamed[sentKey] = v.Key
		d.devices = append(d.devices, dev)
		return nil
	case kind == busIDE || kind == busPCI:
		return refuse("base-controller", invalidDevice(i), "A VM has its IDE and PCI controllers already.")
	case d.on:
		return d.live("live-controller", "No controller can be added while %s is powered on.", d.vm.Name)
	}
	number := busNumber(dev)
	if number < 0 || number >= maxControllers[kind] {
		return refuse("bus-taken", invalidDevice(i), "Bus number %d is out of range.", number)
	}
	for _, other := range d.devices {
		if busOf(other) == kind && busNumber(other) == number {
			return refuse("bus-taken", invalidDevice(i), "Bus number %d is taken.", number)
		}
	}
	v.Key = firstController[kind] + number
	v.ControllerKey = 100
	if sentKey != 0 {
		d.renamed[sentKey] = v.Key
	}
	d.describe(dev)
	d.devices = append(d.devices, dev)
	return nil
}

// addStorage finds and checks the slot of a new disk or CD-ROM drive.
func (d *draft) addStorage(i int, spec *types.VirtualDeviceConfigSpec, dev types.BaseVirtualDevice) *refusal {
	v := dev.GetVirtualDevice()
	_, controller := findKey(d.devices, v.ControllerKey)
	if v.UnitNumber == nil || *v.UnitNumber < 0 {
		if controller != nil {
			v.UnitNumber = d.freeUnit(controller)
		}
	}
	if no := d.checkSlot(i, dev, 0); no != nil {
		return no
	}
	if d.on {
		if _, ok := dev.(*types.VirtualCdrom); ok {
			return d.live("live-cdrom", "No CD-ROM drive can be added while %s is powered on.", d.vm.Name)
		}
		if busOf(controller) == busIDE {
			return d.live("live-ide", "No IDE device can be added while %s is powered on.", d.vm.Name)
		}
	}
	switch x := dev.(type) {
	case *types.VirtualDisk:
		return d.addDisk(i, spec, x)
	case *types.VirtualCdrom:
		return d.checkMedia(i, x, nil)
	}
	return nil
}

// checkSlot checks controller and unit of a storage device; except is the key
// of the device itself when it is there already.
func (d *draft) checkSlot(i int, dev types.BaseVirtualDevice, except int32) *refusal {
	v := dev.GetVirtualDevice()
	_, controller := findKey(d.devices, v.ControllerKey)
	kind := busNone
	if controller != nil {
		kind = busOf(controller)
	}
	_, isCD := dev.(*types.VirtualCdrom)
	switch {
	case kind == busNone || kind == busPCI:
		return refuse("controller-exists", invalidDevice(i),
			"Device change %d: there is no storage controller %d.", i, v.ControllerKey)
	case isCD && kind != busIDE && kind != busSATA:
		return refuse("controller-exists", invalidDevice(i), "A CD-ROM drive needs an IDE or SATA controller.")
	case v.UnitNumber == nil:
		return refuse("edit-complete", invalidDevice(i), "Device change %d has no unit number.", i)
	}
	unit := *v.UnitNumber
	switch {
	case unit < 0 || unit > lastUnit(controller, d.hw):
		return refuse("unit-range", invalidDevice(i), "%s does not exist.", slotName(controller, unit))
	case kind == busSCSI && unit == scsiOwnUnit:
		return refuse("unit-reserved", invalidDevice(i), "%s is the controller itself.", slotName(controller, unit))
	case occupant(d.devices, v.ControllerKey, unit, except) != nil:
		return refuse("unit-taken", invalidDevice(i), "%s is taken.", slotName(controller, unit))
	}
	return nil
}

func (d *draft) freeUnit(controller types.BaseVirtualDevice) *int32 {
	key := controller.GetVirtualDevice().Key
	for unit := int32(0); unit <= lastUnit(controller, d.hw); unit++ {
		own := busOf(controller) == busSCSI && unit == scsiOwnUnit
		if !own && occupant(d.devices, key, unit, 0) == nil {
			return &unit
		}
	}
	return nil
}

func (d *draft) addNIC(i int, dev types.BaseVirtualDevice) *refusal {
	card := dev.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
	card.ControllerKey = 100
	if card.UnitNumber == nil || *card.UnitNumber < 0 || occupant(d.devices, 100, *card.UnitNumber, 0) != nil {
		unit := int32(7)
		for occupant(d.devices, 100, unit, 0) != nil {
			unit++
		}
		card.UnitNumber = &unit
	}
	if card.MacAddress == "" {
		card.MacAddress = generatedMAC(d.vm.Name, *card.UnitNumber)
		card.AddressType = "assigned"
	}
	if card.Connectable == nil {
		card.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}
	}
	card.Connectable.Connected = d.on && card.Connectable.StartConnected
	return d.l.bindNetwork(i, card)
}

// editDevice replaces a device by the one of the spec.
func (d *draft) editDevice(i int, spec *types.VirtualDeviceConfigSpec) *refusal {
	at, old := findKey(d.devices, d.currentKey(spec.Device.GetVirtualDevice().Key))
	if old == nil {
		return refuse("device-exists", invalidDevice(i),
			"Device change %d: there is no device %d.", i, spec.Device.GetVirtualDevice().Key)
	}
	if reflect.TypeOf(old) != reflect.TypeOf(spec.Device) {
		return refuse("edit-same-type", invalidDevice(i), "Device %d is a %s, not a %s.",
			old.GetVirtualDevice().Key, typeName(old), typeName(spec.Device))
	}
	dev := shallowCopy(spec.Device)
	v, was := dev.GetVirtualDevice(), old.GetVirtualDevice()
	v.Key = was.Key
	v.ControllerKey = d.currentKey(v.ControllerKey)
	if no := d.checkComplete(i, v, was); no != nil {
		return no
	}
	d.keepOmitted(v, was)
	if isStorage(dev) {
		if no := d.checkMove(i, dev, old); no != nil {
			return no
		}
	} else {
		v.ControllerKey, v.UnitNumber = was.ControllerKey, was.UnitNumber
	}
	var no *refusal
	switch x := dev.(type) {
	case *types.VirtualDisk:
		no = d.editDisk(i, spec, x, old.(*types.VirtualDisk))
	case *types.VirtualCdrom:
		no = d.editCD(i, x, old.(*types.VirtualCdrom))
	case types.BaseVirtualEthernetCard:
		no = d.editNIC(i, x, old)
	case types.BaseVirtualController:
		no = d.editController(i, x, old)
	}
	if no != nil {
		return no
	}
	d.describe(dev)
	d.devices[at] = dev
	return nil
}

func typeName(d types.BaseVirtualDevice) string { return reflect.TypeOf(d).Elem().Name() }

// checkComplete: "the device must be fully specified" (ConfigSpec.deviceChange).
func (d *draft) checkComplete(i int, v, was *types.VirtualDevice) *refusal {
	switch {
	case was.ControllerKey != 0 && v.ControllerKey == 0:
		return refuse("edit-complete", invalidDevice(i), "Edit of device %d lacks controllerKey.", v.Key)
	case was.UnitNumber != nil && v.UnitNumber == nil:
		return refuse("edit-complete", invalidDevice(i), "Edit of device %d lacks unitNumber.", v.Key)
	case was.Backing != nil && v.Backing == nil:
		return refuse("edit-complete", invalidDevice(i), "Edit of device %d lacks its backing.", v.Key)
	}
	return nil
}

// keepOmitted keeps what a client need not send back.
func (d *draft) keepOmitted(v, was *types.VirtualDevice) {
	if v.Connectable == nil {
		v.Connectable = was.Connectable
	}
	if v.SlotInfo == nil {
		v.SlotInfo = was.SlotInfo
	}
	v.DeviceInfo = was.DeviceInfo
}

// checkMove checks a change of slot.
func (d *draft) checkMove(i int, dev, old types.BaseVirtualDevice) *refusal {
	v, was := dev.GetVirtualDevice(), old.GetVirtualDevice()
	if v.ControllerKey == was.ControllerKey && *v.UnitNumber == *was.UnitNumber {
		return nil
	}
	if no := d.checkSlot(i, dev, was.Key); no != nil {
		return no
	}
	if d.on {
		return d.live("live-slot", "Device %d cannot change its slot while %s is powered on.", was.Key, d.vm.Name)
	}
	if disk, ok := old.(*types.VirtualDisk); ok && d.l.inSnapshot(d.vm, disk) {
		return refuse("snapshot-disk", invalidOperation(i),
			"%s is part of a snapshot of %s and cannot be moved.", fileBacking(disk), d.vm.Name)
	}
	return nil
}

func (d *draft) editDisk(i int, spec *types.VirtualDeviceConfigSpec, disk, old *types.VirtualDisk) *refusal {
	if spec.FileOperation != "" {
		return refuse("disk-backing", invalidOperation(i), "An edit has no file operation.")
	}
	if reflect.TypeOf(disk.Backing) != reflect.TypeOf(old.Backing) || fileBacking(disk) != fileBacking(old) {
		return refuse("disk-backing", invalidOperation(i), "An edit keeps the file %s.", fileBacking(old))
	}
	if diskMode(disk) != diskMode(old) {
		switch {
		case d.on:
			return d.live("live-disk-mode", "The mode of a disk cannot be changed while %s is powered on.", d.vm.Name)
		case d.l.inSnapshot(d.vm, old):
			return refuse("snapshot-disk-mode", &types.DisallowedDiskModeChange{
				InvalidDeviceSpec: *invalidDevice(i).(*types.InvalidDeviceSpec),
			}, "%s is part of a snapshot.", fileBacking(old))
		}
	}
	if disk.CapacityInBytes == 0 && disk.CapacityInKB == 0 {
		disk.CapacityInBytes, disk.CapacityInKB = old.CapacityInBytes, old.CapacityInKB
	}
	if disk.CapacityInBytes == 0 {
		disk.CapacityInBytes = disk.CapacityInKB * 1024
	}
	disk.CapacityInKB = disk.CapacityInBytes / 1024
	if disk.CapacityInBytes < old.CapacityInBytes {
		return refuse("disk-backing", invalidOperation(i), "A disk does not shrink.")
	}
	keepFields(disk, old, "Shares", "StorageIOAllocation", "DiskObjectId", "NativeUnmanagedLinkedClone")
	keepBacking(disk.Backing, old.Backing)
	return nil
}

// keepFields copies zero fields of a struct from an older one.
func keepFields(dst, src interface{}, names ...string) {
	to, from := reflect.ValueOf(dst).Elem(), reflect.ValueOf(src).Elem()
	for _, name := range names {
		f := to.FieldByName(name)
		if f.IsValid() && f.IsZero() {
			f.Set(from.FieldByName(name))
		}
	}
}

// keepBacking keeps what the server filled in below an unchanged file.
func keepBacking(dst, src types.BaseVirtualDeviceBackingInfo) {
	if b, ok := dst.(*types.VirtualDiskFlatVer2BackingInfo); ok {
		old := src.(*types.VirtualDiskFlatVer2BackingInfo)
		keepFields(b, old, "Datastore", "BackingObjectId", "DiskMode", "Split", "WriteThrough",
			"ThinProvisioned", "EagerlyScrub", "Uuid", "ContentId", "ChangeId", "DigestEnabled", "Sharing")
	}
}

func diskMode(disk *types.VirtualDisk) string {
	if b, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && b.DiskMode != "" {
		return b.DiskMode
	}
	return string(types.VirtualDiskModePersistent)
}

func (d *draft) editNIC(i int, dev types.BaseVirtualEthernetCard, old types.BaseVirtualDevice) *refusal {
	card := dev.GetVirtualEthernetCard()
	was := old.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
	if card.MacAddress == "" {
		card.MacAddress = was.MacAddress
	}
	keepFields(card, was, "AddressType", "WakeOnLanEnabled", "ResourceAllocation", "UptCompatibilityEnabled")
	return d.l.bindNetwork(i, card)
}

func (d *draft) editController(i int, dev types.BaseVirtualController, old types.BaseVirtualDevice) *refusal {
	if dev.GetVirtualController().BusNumber != busNumber(old) {
		return refuse("bus-taken", invalidOperation(i), "A controller keeps its bus number.")
	}
	return nil
}

func (d *draft) removeDevice(i int, spec *types.VirtualDeviceConfigSpec) *refusal {
	key := d.currentKey(spec.Device.GetVirtualDevice().Key)
	at, old := findKey(d.devices, key)
	if old == nil {
		return refuse("device-exists", invalidDevice(i), "Device change %d: there is no device %d.", i, key)
	}
	if _, ok := old.(types.BaseVirtualController); ok {
		if no := d.removeController(i, old); no != nil {
			return no
		}
	}
	_, controller := findKey(d.devices, old.GetVirtualDevice().ControllerKey)
	switch x := old.(type) {
	case *types.VirtualCdrom:
		if d.on {
			return d.live("live-cdrom", "No CD-ROM drive can be removed while %s is powered on.", d.vm.Name)
		}
	case *types.VirtualDisk:
		switch {
		case d.on && controller != nil && busOf(controller) == busIDE:
			return d.live("live-ide", "No IDE device can be removed while %s is powered on.", d.vm.Name)
		case d.l.inSnapshot(d.vm, x):
			return refuse("snapshot-disk", invalidOperation(i),
				"%s is part of a snapshot of %s and cannot be removed.", fileBacking(x), d.vm.Name)
		case spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationDestroy:
			d.destroy = append(d.destroy, fileBacking(x))
		}
	}
	d.devices = append(d.devices[:at:at], d.devices[at+1:]...)
	return nil
}

func (d *draft) removeController(i int, dev types.BaseVirtualDevice) *refusal {
	switch busOf(dev) {
	case busIDE, busPCI:
		return refuse("base-controller", invalidDevice(i), "IDE and PCI controllers cannot be removed.")
	case busNone:
		switch dev.(type) {
		case *types.VirtualPS2Controller, *types.VirtualSIOController:
			return refuse("base-controller", invalidDevice(i), "PS2 and SIO controllers cannot be removed.")
		}
		return nil
	}
	if d.on {
		return d.live("live-controller", "No controller can be removed while %s is powered on.", d.vm.Name)
	}
	key := dev.GetVirtualDevice().Key
	for _, other := range d.devices {
		if other.GetVirtualDevice().ControllerKey == key {
			return refuse("controller-in-use", invalidOperation(i), "Controller %d still has devices.", key)
		}
	}
	return nil
}

// newKey gives a device the key of its slot, or the next one of its kind.
func (d *draft) newKey(dev types.BaseVirtualDevice) int32 {
	v := dev.GetVirtualDevice()
	if isStorage(dev) {
		_, controller := findKey(d.devices, v.ControllerKey)
		key := slotKey(busOf(controller), busNumber(controller), *v.UnitNumber)
		if _, taken := findKey(d.devices, key); taken == nil {
			return key
		}
		return d.unusedKey(900000) // settled when the whole spec is applied
	}
	switch dev.(type) {
	case types.BaseVirtualEthernetCard:
		return d.unusedKey(4000)
	case *types.VirtualUSBXHCIController:
		return d.unusedKey(14000)
	case *types.VirtualUSBController:
		return d.unusedKey(7000)
	case *types.VirtualSerialPort:
		return d.unusedKey(9000)
	case *types.VirtualFloppy:
		return d.unusedKey(8000)
	}
	return d.unusedKey(13000)
}

func (d *draft) unusedKey(from int32) int32 {
	for {
		if _, taken := findKey(d.devices, from); taken == nil {
			return from
		}
		from++
	}
}

// settleKeys gives every storage device the key of the slot it is in.
func (d *draft) settleKeys() {
	for i, dev := range d.devices {
		if !isStorage(dev) {
			continue
		}
		v := dev.GetVirtualDevice()
		_, controller := findKey(d.devices, v.ControllerKey)
		key := slotKey(busOf(controller), busNumber(controller), *v.UnitNumber)
		if key != v.Key {
			clone := shallowCopy(dev)
			clone.GetVirtualDevice().Key = key
			d.devices[i] = clone
		}
	}
	sort.SliceStable(d.devices, func(a, b int) bool {
		return d.devices[a].GetVirtualDevice().Key < d.devices[b].GetVirtualDevice().Key
	})
	d.devices = controllersFirst(d.devices)
}

// controllersFirst keeps the order a vCenter lists devices in: by key, but
// the storage controllers before what hangs on them.
func controllersFirst(devices []types.BaseVirtualDevice) []types.BaseVirtualDevice {
	rank := func(d types.BaseVirtualDevice) int32 {
		if busOf(d) != busNone {
			return d.GetVirtualDevice().Key - 1000000
		}
		return d.GetVirtualDevice().Key
	}
	sort.SliceStable(devices, func(a, b int) bool { return rank(devices[a]) < rank(devices[b]) })
	return devices
}

// settleControllers brings the device lists of the controllers up to date.
func (d *draft) settleControllers() {
	settleControllers(d.devices)
}

func settleControllers(devices []types.BaseVirtualDevice) {
	below := map[int32][]int32{}
	for _, dev := range devices {
		v := dev.GetVirtualDevice()
		if v.ControllerKey != 0 {
			below[v.ControllerKey] = append(below[v.ControllerKey], v.Key)
		}
	}
	for i, dev := range devices {
		c, ok := dev.(types.BaseVirtualController)
		if !ok || reflect.DeepEqual(c.GetVirtualController().Device, below[dev.GetVirtualDevice().Key]) {
			continue
		}
		clone := shallowCopy(dev)
		clone.(types.BaseVirtualController).GetVirtualController().Device = below[dev.GetVirtualDevice().Key]
		devices[i] = clone
	}
}

// describe gives a device its label, which it then keeps, and its summary.
func (d *draft) describe(dev types.BaseVirtualDevice) {
	v := dev.GetVirtualDevice()
	label := ""
	if v.DeviceInfo != nil {
		if _, old := findKey(d.devices, v.Key); old != nil && old.GetVirtualDevice().DeviceInfo != nil {
			label = old.GetVirtualDevice().DeviceInfo.GetDescription().Label
		}
	}
	if label == "" {
		label = freeLabel(d.devices, dev)
	}
	v.DeviceInfo = &types.Description{Label: label, Summary: deviceSummary(dev)}
}

// freeLabel is the label of a new device, numbered as the client shows it.
func freeLabel(devices []types.BaseVirtualDevice, dev types.BaseVirtualDevice) string {
	switch busOf(dev) {
	case busIDE:
		return fmt.Sprintf("IDE %d", busNumber(dev))
	case busSCSI:
		return fmt.Sprintf("SCSI controller %d", busNumber(dev))
	case busSATA:
		return fmt.Sprintf("SATA controller %d", busNumber(dev))
	case busNVMe:
		return fmt.Sprintf("NVME controller %d", busNumber(dev))
	}
	stem := typeName(dev)
	switch {
	case isNIC(dev):
		stem = "Network adapter"
	case stem == "VirtualDisk":
		stem = "Hard disk"
	case stem == "VirtualCdrom":
		stem = "CD/DVD drive"
	}
	used := map[string]bool{}
	for _, other := range devices {
		if info := other.GetVirtualDevice().DeviceInfo; info != nil {
			used[info.GetDescription().Label] = true
		}
	}
	for n := 1; ; n++ {
		if label := fmt.Sprintf("%s %d", stem, n); !used[label] {
			return label
		}
	}
}

func deviceSummary(dev types.BaseVirtualDevice) string {
	switch x := dev.(type) {
	case *types.VirtualDisk:
		return thousands(x.CapacityInKB) + " KB"
	case *types.VirtualCdrom:
		if file := fileBacking(x); file != "" {
			return "ISO " + file
		}
		return "Remote device"
	case types.BaseVirtualEthernetCard:
		if b, ok := x.GetVirtualEthernetCard().Backing.(*types.VirtualEthernetCardNetworkBackingInfo); ok {
			return b.DeviceName
		}
	}
	switch busOf(dev) {
	case busIDE:
		return fmt.Sprintf("IDE %d", busNumber(dev))
	case busSCSI:
		return "VMware paravirtual SCSI"
	case busSATA:
		return "AHCI"
	case busNVMe:
		return "NVME Controller"
	}
	return typeName(dev)
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// addDisk checks a new or existing disk.
func (d *draft) addDisk(i int, spec *types.VirtualDeviceConfigSpec, disk *types.VirtualDisk) *refusal {
	backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if !ok {
		return refuse("spec-known", invalidDevice(i), "The lab only knows flat disks, not %T.", disk.Backing)
	}
	if backing.DiskMode == "" {
		backing.DiskMode = string(types.VirtualDiskModePersistent)
	}
	clone := *backing
	backing = &clone
	disk.Backing = backing
	if spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationCreate {
		return d.addNewDisk(i, disk, backing)
	}
	_, file, no := d.reachable(backing.FileName)
	if no != nil {
		return no
	}
	capacity, no := checkDescriptor(backing.FileName, file)
	if no != nil {
		return no
	}
	disk.CapacityInBytes, disk.CapacityInKB = capacity, capacity/1024
	d.bindDisk(backing)
	return nil
}

func (d *draft) addNewDisk(i int, disk *types.VirtualDisk, backing *types.VirtualDiskFlatVer2BackingInfo) *refusal {
	if disk.CapacityInBytes == 0 {
		disk.CapacityInBytes = disk.CapacityInKB * 1024
	}
	disk.CapacityInKB = disk.CapacityInBytes / 1024
	if disk.CapacityInBytes <= 0 {
		return refuse("disk-new", invalidDevice(i), "A new disk has a capacity.")
	}
	backing.FileName = d.newDiskName(backing.FileName)
	p, file, no := d.reachable(backing.FileName)
	if no != nil {
		return no
	}
	if _, err := os.Stat(file); err == nil {
		return refuse("disk-new", &types.FileAlreadyExists{FileFault: types.FileFault{File: backing.FileName}},
			"%s exists.", backing.FileName)
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return refuse("disk-new", fileNotFound(backing.FileName), "The directory of %s is missing.", backing.FileName)
	}
	if no := d.l.checkSpace(p.Datastore, disk.CapacityInBytes); no != nil {
		return no
	}
	d.create = append(d.create, newDisk{name: backing.FileName, capacity: disk.CapacityInBytes})
	d.bindDisk(backing)
	return nil
}

// newDiskName completes "[datastore]" to a free name in the VM's directory.
func (d *draft) newDiskName(name string) string {
	var home, p object.DatastorePath
	home.FromString(d.vm.Config.Files.VmPathName)
	if p.FromString(name) && path.Ext(p.Path) == ".vmdk" {
		return name
	}
	for n := 0; ; n++ {
		file := fmt.Sprintf("%s_%d.vmdk", d.vm.Name, n)
		candidate := fmt.Sprintf("[%s] %s", home.Datastore, path.Join(path.Dir(home.Path), file))
		_, local, no := d.l.parseDatastorePath(candidate)
		if no != nil {
			return candidate
		}
		if _, err := os.Stat(local); err != nil {
			return candidate
		}
	}
}

// reachable checks that the VM's host mounts the datastore of a file.
func (d *draft) reachable(name string) (object.DatastorePath, string, *refusal) {
	p, file, fault := d.l.parseDatastorePath(name)
	if fault != nil {
		return p, file, refuse("iso-reachable", fault, "%q names no datastore of this datacenter.", name)
	}
	if !d.l.mounts(d.vm.Runtime.Host, p.Datastore) {
		return p, file, refuse("iso-reachable", &types.InvalidDatastore{
			Datastore: &d.l.datastore(p.Datastore).Self, Name: p.Datastore,
		}, "The host of %s does not reach datastore %s.", d.vm.Name, p.Datastore)
	}
	return p, file, nil
}

func (d *draft) bindDisk(backing *types.VirtualDiskFlatVer2BackingInfo) {
	p, _, _ := d.l.parseDatastorePath(backing.FileName)
	ref := d.l.places[p.Datastore].ref
	backing.Datastore = &ref
	for _, b := range []**bool{&backing.Split, &backing.WriteThrough, &backing.ThinProvisioned, &backing.EagerlyScrub} {
		if *b == nil {
			*b = types.NewBool(false)
		}
	}
	if backing.Uuid == "" {
		backing.Uuid = fixedUUID("disk", backing.FileName)
	}
}

// touchFiles makes and deletes the disk files that the draft asks for.
func (d *draft) touchFiles(*simulator.Context) *refusal {
	for n, disk := range d.create {
		if err := d.l.writeDisk(disk.name, disk.capacity); err != nil {
			for _, made := range d.create[:n] {
				_ = d.l.deleteDisk(made.name)
			}
			return refuse("disk-new", &types.CannotCreateFile{FileFault: types.FileFault{File: disk.name}}, "%v", err)
		}
	}
	for _, name := range d.destroy {
		_ = d.l.deleteDisk(name)
	}
	return nil
}
