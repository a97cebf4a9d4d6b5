package main

import (
	"crypto/sha256"
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The machines of a lab with disks.

// biosLayouts and efiLayouts are the variety of controllers; number n of the
// fleet takes entry n modulo their length.
var (
	biosLayouts = []string{"pvscsi", "lsisas", "lsi", "buslogic", "sata", "ide", "nvme", "none"}
	efiLayouts  = []string{"pvscsi", "nvme", "sata", "lsisas", "lsi", "none"}
)

// homes are the datastores of the fleet, and the host where not all reach one.
var homes = []struct{ datastore, host string }{
	{"shared-01", ""}, {"shared-02", ""}, {"shared-01", ""}, {"pod-ds-01", ""}, {"shared-02", ""},
	{"cl-a-only", "esx-a2.lab"}, {"shared-01", ""}, {"local-a1", "esx-a1.lab"}, {"pod-ds-02", ""}, {"shared-02", ""},
}

// vary gives machine i of the fleet another home and its disks.
func (b *builder) vary(i int, p *vmPlan) {
	home := homes[i%len(homes)]
	p.datastore = home.datastore
	if home.host != "" {
		p.host = home.host
	}
	p.on = !p.template && i%8 == 5
	kinds := biosLayouts
	if p.efi {
		kinds = efiLayouts
	}
	kind := kinds[i/2%len(kinds)]
	p.layout, p.extraDisks, p.sata = &layout{}, nil, false
	p.cds = []cdPlan{emptyIDE}
	if p.efi {
		p.cds = []cdPlan{emptySATA}
	}
	switch kind {
	case "none":
		p.bootWords = nil
		return
	case "ide":
		p.cds = []cdPlan{slaveIDE}
	case "sata":
		if p.efi {
			p.cds = []cdPlan{{slot: slot{busSATA, 29}}}
		}
	}
	p.layout.controllers = []string{kind}
	p.layout.disks = []diskPlan{{}}
	p.layout.addMore(i, kind)
}

// addMore occupies more units of some: unit 1, all below the controller's own,
// or a disk on a second controller.
func (l *layout) addMore(i int, kind string) {
	switch {
	case kind == "ide":
	case i%7 == 3:
		for unit := int32(1); unit < scsiOwnUnit; unit++ {
			l.disks = append(l.disks, diskPlan{unit: unit})
		}
	case i%5 == 1:
		l.disks = append(l.disks, diskPlan{unit: 1})
	case i%9 == 4:
		l.controllers = append(l.controllers, "pvscsi")
		l.disks = append(l.disks, diskPlan{controller: 1})
	}
}

const (
	linuxGuest  = "otherLinux64Guest"
	sharedDisk  = "[shared-01] mw-01/quorum.vmdk"
	parentDisk  = "[shared-01] clone-base/clone-base.vmdk"
	deltaDisk   = "[shared-01] disk-snap-01/disk-snap-01-000001.vmdk"
	policyGold  = "aa6d5a82-1c88-45da-85d3-3d74b91a5bad"
	wrongUnit   = 1
	ourDiskSize = 8 << 20
)

// diskSpecials are machines whose disks are no ordinary ones, each in another
// way; all have something at 0:0.
func (b *builder) diskSpecials() []vmPlan {
	limit := int64(500)
	multi := string(types.VirtualDiskSharingSharingMultiWriter)
	ours, hash := ourDisk()
	plans := []vmPlan{
		{name: "full-01", annotation: "No unit of its only controller is free", layout: fullLayout()},
		{name: "rdm-01", annotation: "A raw device at 0:0", layout: one(diskPlan{rdm: true})},
		{name: "mw-01", annotation: "Shares a disk", layout: one(diskPlan{file: sharedDisk, sharing: multi})},
		{name: "mw-02", annotation: "Shares a disk", layout: one(diskPlan{file: sharedDisk, sharing: multi})},
		{name: "clone-01", annotation: "A linked clone",
			layout: one(diskPlan{file: "[shared-01] clone-01/clone-01-000001.vmdk", parent: parentDisk})},
		{name: "disk-snap-01", annotation: "Runs on a snapshot's delta", layout: one(diskPlan{})},
		{name: "crypt-01", annotation: "Encrypted", layout: one(diskPlan{encrypted: true})},
		{name: "ft-01", annotation: "Fault tolerant", layout: one(diskPlan{})},
		{name: "susp-01", annotation: "Suspended", layout: one(diskPlan{})},
		{name: "run-01", annotation: "Runs, with VMware Tools", layout: one(diskPlan{}), on: true,
			private: vmPrivate{hasTools: true}},
		{name: "iops-01", annotation: "IO limits, shares, policy and mode of its disk are set",
			layout: one(diskPlan{limit: &limit, shares: 1500,
				mode: string(types.VirtualDiskModeIndependent_persistent)})},
		{name: "wrong-01", annotation: "Our disk is at 0:1",
			extra: [][2]string{{"vmboot.media", "boot " + hash}},
			layout: &layout{controllers: []string{"pvscsi"}, disks: []diskPlan{
				{}, {unit: wrongUnit, content: ours,
					file: fmt.Sprintf("[shared-01] wrong-01/vmboot-boot-%s.vmdk", hash)},
			}}},
		{name: "object-01", annotation: "Lives on an object store", datastore: objectStore.name,
			layout: one(diskPlan{})},
	}
	for i := range plans {
		p := &plans[i]
		p.folder, p.guestID, p.hw, p.cds = "Special", linuxGuest, 18, []cdPlan{emptyIDE}
		p.host = runningHosts[i%2*2] // esx-a1 and esx-a2 reach everything here
		if p.datastore == "" {
			p.datastore = "shared-01"
		}
	}
	return plans
}

// one is a layout of one disk at SCSI 0:0.
func one(disk diskPlan) *layout {
	return &layout{controllers: []string{"pvscsi"}, disks: []diskPlan{disk}}
}

// fullLayout takes every unit that an LSI Logic SAS controller has.
func fullLayout() *layout {
	l := &layout{controllers: []string{"lsisas"}}
	for unit := int32(0); unit <= 15; unit++ {
		if unit != scsiOwnUnit {
			l.disks = append(l.disks, diskPlan{unit: unit, size: 1 << 30})
		}
	}
	return l
}

// ourDisk is a disk as vmboot would have made it once, and its sha12.
func ourDisk() ([]byte, string) {
	data := make([]byte, ourDiskSize)
	copy(data, marks("an older boot disk", 0))
	sum := sha256.Sum256(data)
	return data, fmt.Sprintf("%x", sum[:6])
}

// finishSpecials sets what no plan says.
func (b *builder) finishSpecials() error {
	if err := b.parentFiles(); err != nil {
		return err
	}
	for name, finish := range map[string]func(*simulator.VirtualMachine) error{
		"clone-01":     b.linkDisk,
		"disk-snap-01": b.runOnDelta,
		"crypt-01":     func(vm *simulator.VirtualMachine) error { vm.Config.KeyId = labKey(); return nil },
		"ft-01":        protect,
		"susp-01":      b.suspendNow,
		"iops-01":      b.givePolicy,
	} {
		vm, err := b.findVM(name)
		if err == nil {
			err = finish(vm)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.noteOpen(vm)
	}
	return nil
}

// parentFiles make the disk that a linked clone is a child of.
func (b *builder) parentFiles() error { return b.layoutFiles(parentDisk, labDiskBytes, diskPlan{}) }

// linkDisk lets the clone's disk know its parent, which was made after it.
func (b *builder) linkDisk(vm *simulator.VirtualMachine) error {
	flat := firstDisk(vm).Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	flat.Parent = b.parentBacking(flat.FileName)
	return nil
}

// runOnDelta takes a snapshot; the VM then writes to a child of its disk.
func (b *builder) runOnDelta(vm *simulator.VirtualMachine) error {
	if err := b.snapshotOf(vm.Name); err != nil {
		return err
	}
	disk := firstDisk(vm)
	parent := fileBacking(disk)
	plan := diskPlan{parent: parent}
	if err := b.layoutFiles(deltaDisk, disk.CapacityInBytes, plan); err != nil {
		return err
	}
	clone := shallowCopy(disk).(*types.VirtualDisk)
	clone.Backing = b.layoutBacking(deltaDisk, plan)
	at, _ := findKey(vm.Config.Hardware.Device, disk.Key)
	devices := append([]types.BaseVirtualDevice(nil), vm.Config.Hardware.Device...)
	devices[at] = clone
	vm.Config.Hardware.Device = devices
	return nil
}

func protect(vm *simulator.VirtualMachine) error {
	vm.Runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateEnabled
	vm.Summary.Runtime.FaultToleranceState = vm.Runtime.FaultToleranceState
	return nil
}

func (b *builder) suspendNow(vm *simulator.VirtualMachine) error {
	for _, step := range []func() *refusal{
		func() *refusal { return b.switchOn(b.context(), vm) },
		func() *refusal { return b.switchOff(b.context(), vm, suspended) },
	} {
		if no := step(); no != nil {
			return fmt.Errorf("%s", no.message)
		}
	}
	return nil
}

func (b *builder) givePolicy(vm *simulator.VirtualMachine) error {
	b.policies[vm.Self] = map[string]string{cleanPath(fileBacking(firstDisk(vm))): policyGold}
	return nil
}

func firstDisk(vm *simulator.VirtualMachine) *types.VirtualDisk {
	for _, dev := range vm.Config.Hardware.Device {
		if disk, ok := dev.(*types.VirtualDisk); ok {
			return disk
		}
	}
	return nil
}
