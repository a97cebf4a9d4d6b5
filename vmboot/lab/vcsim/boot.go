package main

import (
	"github.com/vmware/govmomi/vim25/types"
)

// applyBoot merges the boot options of the spec into those of the VM: an
// unset field stays as it is (VirtualMachineBootOptions: "unset means
// unchanged"), one bare BootableDevice clears the order.
func (d *draft) applyBoot() *refusal {
	spec := d.spec.BootOptions
	if spec == nil {
		d.boot.BootOrder = keepBootable(d.boot.BootOrder, d.devices)
		return d.checkSecureBoot()
	}
	for _, f := range []struct{ from, to **bool }{
		{&spec.EnterBIOSSetup, &d.boot.EnterBIOSSetup},
		{&spec.EfiSecureBootEnabled, &d.boot.EfiSecureBootEnabled},
		{&spec.BootRetryEnabled, &d.boot.BootRetryEnabled},
	} {
		if *f.from != nil {
			*f.to = *f.from
		}
	}
	if spec.BootDelay != 0 || d.sent.bootDelay {
		d.boot.BootDelay = spec.BootDelay
	}
	if spec.BootRetryDelay != 0 || d.sent.bootRetryDelay {
		d.boot.BootRetryDelay = spec.BootRetryDelay
	}
	if spec.NetworkBootProtocol != "" {
		d.boot.NetworkBootProtocol = spec.NetworkBootProtocol
	}
	if len(spec.BootOrder) == 0 {
		d.boot.BootOrder = keepBootable(d.boot.BootOrder, d.devices)
	} else if no := d.setBootOrder(spec.BootOrder); no != nil {
		return no
	}
	return d.checkSecureBoot()
}

func (d *draft) setBootOrder(order []types.BaseVirtualMachineBootOptionsBootableDevice) *refusal {
	if len(order) == 1 {
		if _, bare := order[0].(*types.VirtualMachineBootOptionsBootableDevice); bare {
			d.boot.BootOrder = nil
			return nil
		}
	}
	for n, entry := range order {
		if d.l.strict.on() && !bootable(entry, d.vm.Config.Hardware.Device) {
			return refuse("boot-key", invalidArgument("configSpec.bootOptions.bootOrder"),
				"Entry %d of the boot order names no device that %s had before.", n, d.vm.Name)
		}
		if !bootable(entry, d.devices) {
			return refuse("boot-key", invalidArgument("configSpec.bootOptions.bootOrder"),
				"Entry %d of the boot order names no device of %s.", n, d.vm.Name)
		}
	}
	d.boot.BootOrder = order
	return nil
}

// bootable tells whether an entry of a boot order names a device that exists
// and is of the entry's kind.  A CD entry carries no key.
func bootable(entry types.BaseVirtualMachineBootOptionsBootableDevice, devices []types.BaseVirtualDevice) bool {
	switch x := entry.(type) {
	case *types.VirtualMachineBootOptionsBootableCdromDevice, *types.VirtualMachineBootOptionsBootableFloppyDevice:
		return true
	case *types.VirtualMachineBootOptionsBootableDiskDevice:
		_, dev := findKey(devices, x.DeviceKey)
		_, ok := dev.(*types.VirtualDisk)
		return ok
	case *types.VirtualMachineBootOptionsBootableEthernetDevice:
		_, dev := findKey(devices, x.DeviceKey)
		return dev != nil && isNIC(dev)
	}
	return false
}

// keepBootable drops entries whose device is gone, as a vCenter does.
func keepBootable(order []types.BaseVirtualMachineBootOptionsBootableDevice,
	devices []types.BaseVirtualDevice) []types.BaseVirtualMachineBootOptionsBootableDevice {
	var out []types.BaseVirtualMachineBootOptionsBootableDevice
	for _, entry := range order {
		if bootable(entry, devices) {
			out = append(out, entry)
		}
	}
	return out
}

func (d *draft) checkSecureBoot() *refusal {
	if isTrue(d.boot.EfiSecureBootEnabled) && d.config.Firmware != "efi" {
		return refuse("secure-boot-efi", &types.InvalidVmConfig{Property: "msg.hostd.configSpec.efi"},
			"Secure Boot needs EFI firmware.")
	}
	return nil
}
