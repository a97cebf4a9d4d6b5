package main

import (
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
)

// Device changes of a spec, with their rules.

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
	d.notePolicy(dev, spec)
	d.describe(dev)
	d.devices = append(d.devices, dev)
	return nil
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
	d.notePolicy(dev, spec)
	d.describe(dev)
	d.devices[at] = dev
	return nil
}

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
			if other := d.l.openBy(fileBacking(x), d.vm.Self, writes); other != "" {
				return refuse("disk-exclusive", &types.FileLocked{FileFault: types.FileFault{File: fileBacking(x)}},
					"%s is open by %s.", fileBacking(x), other)
			}
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
