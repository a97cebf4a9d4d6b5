package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/vmware/govmomi/vim25/types"
)

// Layouts: virtual machines with disks on every kind of controller (--disks).

// layout is what a machine has beside its base devices, CDs and NIC.
type layout struct {
	controllers []string // "pvscsi", "sata" ...: numbered from 0 within their bus
	disks       []diskPlan
}

// diskPlan is one disk of a layout.
type diskPlan struct {
	controller int // index into the layout's controllers
	unit       int32
	file       string // datastore path; "" for one of the VM's own
	size       int64  // labDiskBytes when 0
	parent     string // datastore path of the disk it is a child of
	rdm        bool
	sharing    string
	mode       string
	limit      *int64 // IOPS
	shares     int32
	encrypted  bool
	content    []byte // all of it; marks when nil
}

const labDiskBytes = 4 << 30

// controllerBus says on which bus a controller of a layout is.
var controllerBus = map[string]bus{
	"pvscsi": busSCSI, "lsisas": busSCSI, "lsi": busSCSI, "buslogic": busSCSI,
	"nvme": busNVMe, "sata": busSATA, "ide": busIDE,
}

// layoutController makes a controller of a layout; IDE is there already.
func layoutController(kind string, number int32) types.BaseVirtualDevice {
	scsi := types.VirtualSCSIController{
		VirtualController:  controllerOf(firstController[busSCSI]+number, number),
		HotAddRemove:       types.NewBool(true),
		SharedBus:          types.VirtualSCSISharingNoSharing,
		ScsiCtlrUnitNumber: scsiOwnUnit,
	}
	switch kind {
	case "pvscsi":
		return &types.ParaVirtualSCSIController{VirtualSCSIController: scsi}
	case "lsisas":
		return &types.VirtualLsiLogicSASController{VirtualSCSIController: scsi}
	case "lsi":
		return &types.VirtualLsiLogicController{VirtualSCSIController: scsi}
	case "buslogic":
		return &types.VirtualBusLogicController{VirtualSCSIController: scsi}
	case "nvme":
		nvme := controllerOf(firstController[busNVMe]+number, number)
		nvme.UnitNumber = types.NewInt32(30 + number)
		return &types.VirtualNVMEController{VirtualController: nvme}
	case "sata":
		return &types.VirtualAHCIController{VirtualSATAController: types.VirtualSATAController{
			VirtualController: controllerOf(firstController[busSATA]+number, number),
		}}
	}
	return nil
}

// layoutDevices are the devices of a machine with a layout.
func (b *builder) layoutDevices(p vmPlan) ([]types.BaseVirtualDevice, error) {
	list := baseDevices()
	numbers := make([]int32, len(p.layout.controllers))
	next := map[bus]int32{}
	for i, kind := range p.layout.controllers {
		on := controllerBus[kind]
		numbers[i] = next[on]
		next[on]++
		if dev := layoutController(kind, numbers[i]); dev != nil {
			list = append(list, dev)
		}
	}
	if p.needsSATA() && next[busSATA] == 0 {
		list = append(list, layoutController("sata", 0))
	}
	for n, plan := range p.layout.disks {
		kind := controllerBus[p.layout.controllers[plan.controller]]
		disk, err := b.layoutDisk(p, n, plan)
		if err != nil {
			return nil, err
		}
		unit := plan.unit
		disk.Key = slotKey(kind, numbers[plan.controller], unit)
		disk.ControllerKey = firstController[kind] + numbers[plan.controller]
		disk.UnitNumber = &unit
		list = append(list, disk)
	}
	for _, cd := range p.cds {
		list = append(list, b.cdrom(cd))
	}
	list = append(list, b.nic(p))
	return finish(list), nil
}

// layoutDisk makes a disk and its files.
func (b *builder) layoutDisk(p vmPlan, n int, plan diskPlan) (*types.VirtualDisk, error) {
	name, size := plan.file, plan.size
	if name == "" {
		name = b.byIDName(fmt.Sprintf("[%s] %s/%s.vmdk", p.datastore, b.directory(p), diskName(p.name, n)))
	}
	if size == 0 {
		size = labDiskBytes
	}
	if plan.content != nil {
		size = int64(len(plan.content))
	}
	if err := b.layoutFiles(name, size, plan); err != nil {
		return nil, err
	}
	disk := &types.VirtualDisk{
		CapacityInKB: size / 1024, CapacityInBytes: size, DiskObjectId: fixedUUID("diskobject", p.name+name),
	}
	disk.Backing = b.layoutBacking(name, plan)
	if plan.limit != nil || plan.shares != 0 {
		disk.StorageIOAllocation = &types.StorageIOAllocationInfo{
			Limit: plan.limit, Shares: &types.SharesInfo{Shares: plan.shares, Level: types.SharesLevelCustom},
		}
	}
	return disk, nil
}

func (b *builder) layoutBacking(name string, plan diskPlan) types.BaseVirtualDeviceBackingInfo {
	ref := b.places[b.datastoreOf(name)].ref
	file := types.VirtualDeviceFileBackingInfo{FileName: name, Datastore: &ref}
	mode := plan.mode
	if mode == "" {
		mode = string(types.VirtualDiskModePersistent)
	}
	if plan.rdm {
		return &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: file, DiskMode: string(types.VirtualDiskModeIndependent_persistent),
			LunUuid: "0200000000600508b1001c", DeviceName: "vml.0200000000600508b1001c",
			CompatibilityMode: string(types.VirtualDiskCompatibilityModePhysicalMode), Uuid: fixedUUID("disk", name),
		}
	}
	flat := &types.VirtualDiskFlatVer2BackingInfo{
		VirtualDeviceFileBackingInfo: file, DiskMode: mode, Sharing: plan.sharing,
		Split: types.NewBool(false), WriteThrough: types.NewBool(false),
		ThinProvisioned: types.NewBool(true), EagerlyScrub: types.NewBool(false),
		Uuid: fixedUUID("disk", name), Parent: b.parentBacking(name),
	}
	if plan.encrypted {
		flat.KeyId = labKey()
	}
	return flat
}

func labKey() *types.CryptoKeyId {
	return &types.CryptoKeyId{KeyId: "lab-key-1", ProviderId: &types.KeyProviderId{Id: "lab-kms"}}
}

// layoutFiles writes descriptor and extent, unless two VMs share them.
func (b *builder) layoutFiles(name string, size int64, plan diskPlan) error {
	_, file, fault := b.parseDatastorePath(name)
	if fault != nil {
		return fmt.Errorf("%s: %s", name, faultName(fault))
	}
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	extent, written := b.newExtent(name, file)
	switch {
	case plan.rdm:
		extent, written = besides(file, "-rdmp.vmdk")
	case plan.parent != "":
		extent, written = besides(file, "-delta.vmdk")
	}
	if err := os.WriteFile(file, []byte(layoutDescriptor(plan, size, written)), 0o600); err != nil {
		return err
	}
	return fillExtent(extent, name, size, plan.content)
}

// besides is the extent beside a descriptor, and its name alone.
func besides(file, end string) (extent, written string) {
	extent = file[:len(file)-len(path.Ext(file))] + end
	return extent, filepath.Base(extent)
}

func layoutDescriptor(plan diskPlan, size int64, written string) string {
	kind, access, parent := "vmfs", "VMFS", ""
	switch {
	case plan.rdm:
		kind, access = "vmfsPassthroughRawDeviceMap", "VMFSRDM"
	case plan.parent != "":
		kind, access = "vmfsSparse", "VMFSSPARSE"
		parent = fmt.Sprintf("parentFileNameHint=%q\n", plan.parent)
	}
	return fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=%q\n%s\n"+
		"# Extent description\nRW %d %s %q\n\n#DDB\n%s\n",
		kind, parent, size/sector, access, written, thinLine)
}

// fillExtent writes content, or marks from which the disk can be told.
func fillExtent(extent, name string, size int64, content []byte) error {
	f, err := os.OpenFile(extent, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	if content != nil {
		_, err := f.WriteAt(content, 0)
		return err
	}
	for _, at := range []int64{0, size / 2 / markBytes * markBytes, size - markBytes} {
		if _, err := f.WriteAt(marks(name, at), at); err != nil {
			return err
		}
	}
	return nil
}

const markBytes = 4096

// marks are markBytes bytes that no other disk has at any place; the first
// sector of a disk looks like a boot sector.
func marks(name string, at int64) []byte {
	out := make([]byte, 0, markBytes)
	for n := 0; len(out) < markBytes; n++ {
		sum := sha256.Sum256([]byte(fmt.Sprintf("%s %d %d", name, at, n)))
		out = append(out, sum[:]...)
	}
	if at == 0 {
		binary.LittleEndian.PutUint16(out[sector-2:], 0xaa55)
	}
	return out
}
