package main

import (
	"fmt"
	"log"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// rule is something a vCenter enforces and the bare simulator does not.
type rule struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// ruleBook lists every rule; a refusal names one of them.
var ruleBook = []rule{
	{"login-checked", "only the lab's user and password log in"},
	{"session-needed", "without a session nothing is read but the service content"},
	{"session-idle", "an idle session ends"},
	{"folder-session", "/folder needs a session"},
	{"privilege", "an operation needs its privilege on the entity"},

	{"device-exists", "edit and remove name a device that exists"},
	{"edit-complete", "an edited device is fully specified: controller, unit and backing"},
	{"edit-same-type", "an edit does not change a device's type"},
	{"controller-exists", "a device names a controller of its kind that exists"},
	{"unit-taken", "one device per unit, by add and by edit"},
	{"unit-reserved", "SCSI unit 7 is the controller's own"},
	{"unit-range", "units end with the controller's kind: IDE 1, SCSI 15 or 63, SATA 29, NVMe 14"},
	{"bus-taken", "one controller of a kind per bus number, four at most"},
	{"base-controller", "IDE, PCI, PS2 and SIO controllers are neither added nor removed"},
	{"controller-in-use", "a controller with devices is not removed"},
	{"key-follows-slot", "a moved device gets the key of its new slot"},

	{"edit-replaces", "an edit without IO allocation, shares or sharing of a disk sets them to their defaults"},
	{"disk-policy", "a disk keeps its storage policy while it stays attached, and only then"},

	{"live-slot", "no device changes its slot while the VM runs"},
	{"live-controller", "no controller is added or removed while the VM runs"},
	{"live-cdrom", "no CD-ROM drive is added or removed while the VM runs"},
	{"live-ide", "no IDE device is added or removed while the VM runs"},
	{"live-disk-mode", "no disk changes its mode while the VM runs"},
	{"live-firmware", "firmware, hardware and CPU do not change while the VM runs"},

	{"suspended", "the devices of a suspended VM do not change"},

	{"snapshot-disk", "a disk that a snapshot holds is neither moved nor removed"},
	{"snapshot-disk-mode", "a disk that a snapshot holds keeps its mode"},

	{"iso-exists", "an attached ISO file exists"},
	{"iso-reachable", "the host mounts the datastore of an attached file"},
	{"disk-exists", "an attached disk exists"},
	{"disk-valid", "an attached disk has a descriptor and its extents"},
	{"disk-backing", "an edit does not swap the file below a disk"},
	{"disk-capacity", "an existing disk is added without a capacity or with its own"},
	{"disk-exclusive", "no two running VMs open one disk, unless both as multi-writers"},
	{"encrypted-plain", "an encrypted VM takes no plain disk"},
	{"fault-tolerant", "the devices of a fault tolerant VM do not change"},
	{"disk-new", "a new disk overwrites nothing and its directory exists"},
	{"disk-attached", "a disk that a VM has, or a child of it, is neither moved nor deleted"},
	{"space", "a full datastore takes no new bytes"},
	{"cd-locked", "media that the guest holds are only taken away after a question"},

	{"boot-key", "a boot order names disks and NICs that exist; with refuse_predicted_keys, existed before the call"},
	{"boot-merge", "unset boot options stay as they are"},
	{"boot-clear", "one bare BootableDevice clears the boot order"},
	{"secure-boot-efi", "Secure Boot needs EFI"},

	{"atomic", "a refused reconfigure changes nothing"},
	{"busy", "one task per VM at a time"},
	{"change-version", "a stale changeVersion is refused"},
	{"spec-known", "what the lab does not model is refused, not ignored"},

	{"template-fixed", "of a template only name and annotation change"},
	{"template-off", "only a powered-off VM becomes a template"},
	{"template-once", "a template is not marked as template again"},
	{"not-template", "only a template becomes a VM"},
	{"template-power", "a template has no power operations"},
	{"pool-required", "a template becomes a VM in a resource pool"},
	{"pool-host", "pool and host belong together; a cluster without DRS needs the host"},

	{"power-state", "power operations need the right power state"},
	{"host-maintenance", "nothing starts on a host in maintenance"},
	{"ide-master", "an IDE slave needs a master to power on"},
	{"tools", "guest operations need running VMware Tools"},
	{"question-known", "only a pending question is answered, with one of its choices"},
	{"destroy-off", "a running VM is not destroyed"},

	{"import-spec", "an import is a VM with a name, in a VM folder, on a datastore that exists"},
	{"nfc-lease", "only a ready lease, kept by progress and its session, takes disks and is completed"},
	{"nfc-stream", "an imported disk is a whole streamOptimized VMDK that fits"},
	{"flat-addressable", "an object store has no paths for flat extents"},
	{"namespace-object", "at the top of an object store there are only directories, made by the namespace manager"},

	{"upload-length", "an upload has a Content-Length and as many bytes, or no file results"},
	{"upload-directory", "an upload goes into a directory that exists"},
	{"file-in-use", "a file that a running VM uses is neither overwritten, moved nor deleted"},
	{"file-exists", "nothing is moved or copied onto a file without force"},
	{"file-missing", "files named by an operation exist"},
	{"datastore-state", "a datastore that is not accessible or in maintenance takes no files"},
}

var ruleNames = func() map[string]bool {
	names := map[string]bool{}
	for _, r := range ruleBook {
		names[r.Name] = true
	}
	return names
}()

// ruleCounts counts how often each rule refused something.
type ruleCounts struct {
	mu sync.Mutex
	n  map[string]int
}

func (r *ruleCounts) hit(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = map[string]int{}
	}
	r.n[name]++
}

func (r *ruleCounts) get(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n[name]
}

// refusal is a fault with the rule that raised it and a sentence for people.
type refusal struct {
	rule    string // "" for an injected fault
	fault   types.BaseMethodFault
	message string
}

// refuse makes a refusal by a rule of the book.
func refuse(rule string, fault types.BaseMethodFault, format string, args ...interface{}) *refusal {
	if !ruleNames[rule] {
		panic("no such rule: " + rule)
	}
	return &refusal{rule: rule, fault: fault, message: fmt.Sprintf(format, args...)}
}

// note counts a refusal and logs it.
func (l *lab) note(r *refusal) {
	if r.rule != "" {
		l.rules.hit(r.rule)
	}
	log.Printf("refused by %q: %s: %s", r.rule, faultName(r.fault), r.message)
}

func faultMessage(fault types.BaseMethodFault) string {
	return "The operation failed: " + faultName(fault) + "."
}

// The faults that several rules share.

func invalidArgument(property string) types.BaseMethodFault {
	return &types.InvalidArgument{InvalidProperty: property}
}

func invalidDevice(index int) types.BaseMethodFault {
	return &types.InvalidDeviceSpec{
		InvalidVmConfig: types.InvalidVmConfig{Property: "configSpec.deviceChange"},
		DeviceIndex:     int32(index),
	}
}

func invalidOperation(index int) types.BaseMethodFault {
	return &types.InvalidDeviceOperation{InvalidDeviceSpec: types.InvalidDeviceSpec{
		InvalidVmConfig: types.InvalidVmConfig{Property: "configSpec.deviceChange"},
		DeviceIndex:     int32(index),
	}}
}

func invalidPower(want, have types.VirtualMachinePowerState) types.BaseMethodFault {
	return &types.InvalidPowerState{RequestedState: want, ExistingState: have}
}

func fileNotFound(name string) types.BaseMethodFault {
	return &types.FileNotFound{FileFault: types.FileFault{File: name}}
}

func genericVMFault(reason string) types.BaseMethodFault {
	return &types.GenericVmConfigFault{Reason: reason}
}
