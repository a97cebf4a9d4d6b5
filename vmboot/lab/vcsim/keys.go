package main

import (
	"fmt"
	"reflect"
	"sort"

	"github.com/vmware/govmomi/vim25/types"
)

// Keys, order and labels of devices, as a vCenter gives them.

func (d *draft) currentKey(key int32) int32 {
	if key < 0 {
		if given, ok := d.renamed[key]; ok {
			return given
		}
	}
	return key
}

func typeName(d types.BaseVirtualDevice) string { return reflect.TypeOf(d).Elem().Name() }

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
		switch dev.(type) {
		case *types.VirtualLsiLogicSASController:
			return "LSI Logic SAS"
		case *types.VirtualLsiLogicController:
			return "LSI Logic"
		case *types.VirtualBusLogicController:
			return "BusLogic"
		}
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
