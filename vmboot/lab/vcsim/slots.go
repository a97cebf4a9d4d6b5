package main

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"
)

// Slots and device keys, as a vCenter gives them: the key follows from the
// slot, so a device that moves gets another key.

type bus int

const (
	busNone bus = iota
	busIDE
	busSCSI
	busSATA
	busNVMe
	busPCI
)

// firstController is the key of controller 0 of a kind.
var firstController = map[bus]int32{
	busIDE: 200, busSCSI: 1000, busSATA: 15000, busNVMe: 31000, busPCI: 100,
}

// maxControllers is how many controllers of a kind one VM has.
var maxControllers = map[bus]int32{busIDE: 2, busSCSI: 4, busSATA: 4, busNVMe: 4, busPCI: 1}

// scsiOwnUnit is the unit that a SCSI controller itself takes
// (scsiCtlrUnitNumber of the API).
const scsiOwnUnit = 7

func busOf(d types.BaseVirtualDevice) bus {
	switch d.(type) {
	case *types.VirtualIDEController:
		return busIDE
	case types.BaseVirtualSCSIController:
		return busSCSI
	case types.BaseVirtualSATAController:
		return busSATA
	case *types.VirtualNVMEController:
		return busNVMe
	case *types.VirtualPCIController:
		return busPCI
	}
	return busNone
}

// lastUnit is the highest unit of a controller on hardware version hw.
func lastUnit(controller types.BaseVirtualDevice, hw int) int32 {
	switch busOf(controller) {
	case busIDE:
		return 1
	case busSCSI:
		if _, ok := controller.(*types.ParaVirtualSCSIController); ok && hw >= 14 {
			return 63
		}
		return 15
	case busSATA:
		return 29
	case busNVMe:
		return 14
	}
	return 1 << 20
}

// slotKey is the key of the device at a unit of a storage controller.
func slotKey(kind bus, number, unit int32) int32 {
	switch kind {
	case busIDE:
		return 3000 + 2*number + unit
	case busSCSI:
		if unit > 15 {
			return 131072 + 64*number + unit
		}
		return 2000 + 16*number + unit
	case busSATA:
		return 16000 + 30*number + unit
	case busNVMe:
		return 32000 + 15*number + unit
	}
	return 0
}

func busNumber(controller types.BaseVirtualDevice) int32 {
	if c, ok := controller.(types.BaseVirtualController); ok {
		return c.GetVirtualController().BusNumber
	}
	return 0
}

func slotName(controller types.BaseVirtualDevice, unit int32) string {
	name := map[bus]string{
		busIDE: "IDE", busSCSI: "SCSI", busSATA: "SATA", busNVMe: "NVMe", busPCI: "PCI",
	}[busOf(controller)]
	return fmt.Sprintf("%s %d:%d", name, busNumber(controller), unit)
}

func findKey(devices []types.BaseVirtualDevice, key int32) (int, types.BaseVirtualDevice) {
	for i, d := range devices {
		if d.GetVirtualDevice().Key == key {
			return i, d
		}
	}
	return -1, nil
}

// occupant is the device at a slot, other than the one with key except.
func occupant(devices []types.BaseVirtualDevice, controller, unit, except int32) types.BaseVirtualDevice {
	for _, d := range devices {
		v := d.GetVirtualDevice()
		if v.ControllerKey == controller && v.UnitNumber != nil && *v.UnitNumber == unit && v.Key != except {
			return d
		}
	}
	return nil
}

// isStorage is true for what sits in a slot of an IDE, SCSI, SATA or NVMe
// controller.
func isStorage(d types.BaseVirtualDevice) bool {
	switch d.(type) {
	case *types.VirtualDisk, *types.VirtualCdrom:
		return true
	}
	return false
}

func isNIC(d types.BaseVirtualDevice) bool {
	_, ok := d.(types.BaseVirtualEthernetCard)
	return ok
}

// multiWriter is true for a disk that several running VMs may share.
func multiWriter(disk *types.VirtualDisk) bool {
	const sharing = string(types.VirtualDiskSharingSharingMultiWriter)
	switch b := disk.Backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		return b.Sharing == sharing
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		return b.Sharing == sharing
	}
	return false
}

// fileBacking is the file below a device, "" when there is none.
func fileBacking(d types.BaseVirtualDevice) string {
	if b, ok := d.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
		return b.GetVirtualDeviceFileBackingInfo().FileName
	}
	return ""
}
