package main

import (
	"sync/atomic"

	"github.com/vmware/govmomi/vim25/types"
)

// Storage policies.  No property shows them; the control API does.  An edit
// without a profile leaves the policy, a disk that is removed and added again
// has lost it.

// policiesOf returns a copy of the policies of a VM's disks.
func (l *lab) policiesOf(vm types.ManagedObjectReference) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]string{}
	for file, id := range l.policies[vm] {
		out[file] = id
	}
	return out
}

// notePolicy takes over the profile of a device change.
func (d *draft) notePolicy(dev types.BaseVirtualDevice, spec *types.VirtualDeviceConfigSpec) {
	disk, ok := dev.(*types.VirtualDisk)
	if !ok {
		return
	}
	file := cleanPath(fileBacking(disk))
	if spec.Operation == types.VirtualDeviceConfigSpecOperationAdd {
		delete(d.policies, file)
	}
	for _, profile := range spec.Profile {
		switch p := profile.(type) {
		case *types.VirtualMachineDefinedProfileSpec:
			d.policies[file] = p.ProfileId
		default:
			delete(d.policies, file)
		}
	}
}

// publishPolicies keeps the policies of the disks that the VM now has.
func (d *draft) publishPolicies() {
	kept := map[string]string{}
	for _, dev := range d.devices {
		if disk, ok := dev.(*types.VirtualDisk); ok {
			file := cleanPath(fileBacking(disk))
			if id, ok := d.policies[file]; ok {
				kept[file] = id
			}
		}
	}
	d.l.mu.Lock()
	defer d.l.mu.Unlock()
	d.l.policies[d.vm.Self] = kept
}

// strictness is refuse_predicted_keys: a vCenter may or may not know the keys
// of devices that the same call adds or moves.
type strictness struct{ flag int32 }

func (s *strictness) set(on bool) {
	value := int32(0)
	if on {
		value = 1
	}
	atomic.StoreInt32(&s.flag, value)
}

func (s *strictness) on() bool { return atomic.LoadInt32(&s.flag) != 0 }

func (l *lab) setSwitches(body []byte) (interface{}, error) {
	var req struct {
		RefusePredictedKeys *bool `json:"refuse_predicted_keys"`
	}
	if err := parse(body, &req); err != nil {
		return nil, err
	}
	if req.RefusePredictedKeys != nil {
		l.strict.set(*req.RefusePredictedKeys)
	}
	return done, nil
}
