//go:build govmomi024

package main

// Debian's govmomi 0.24.2 (Go 1.19): the other half of compat_current.go.

import (
	"context"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const govmomiRelease = "0.24.2"

// capabilities: without "task-delay-all" only the lab's own tasks last longer,
// not those that the simulator runs (clone, snapshot, disk manager); without
// "storage-pod" a container view does not show the members of a pod; without
// "keyed-paths" no property is read by key, as in config.hardware.device[2000].
var capabilities = []string{
	"strict-rules", "faults", "privileges", "questions", "http-folder",
	"task-delay",
}

type registry = *simulator.Registry

func setTaskDelay(int) {}

func serviceRegistry(*simulator.Service) registry { return simulator.Map }

func newContext(*simulator.Service) *simulator.Context {
	return &simulator.Context{
		Context: context.Background(),
		Map:     simulator.Map,
		Session: &simulator.Session{ // events name their user
			UserSession: types.UserSession{UserName: "lab"},
			Registry:    simulator.NewRegistry(),
		},
	}
}

func withLock(_ *simulator.Context, reg registry, obj mo.Reference, f func()) {
	reg.WithLock(obj, f)
}

func updateObject(_ *simulator.Context, reg registry, obj mo.Reference, c []types.PropertyChange) {
	reg.Update(obj, c)
}

func noPermission(obj types.ManagedObjectReference, privilege string) types.NoPermission {
	return types.NoPermission{Object: obj, PrivilegeId: privilege}
}

func stripModern(types.BaseMethodFault) {}

func setCoresPerSocket(hw *types.VirtualHardware, spec *types.VirtualMachineConfigSpec) {
	if spec.NumCoresPerSocket != 0 {
		hw.NumCoresPerSocket = spec.NumCoresPerSocket
	}
}

func coresPerSocket(n int32) int32 { return n }

func importName(req *types.CreateImportSpec) string { return req.Cisp.EntityName }

// watchVMs sets the defaults of every VM that is made later.
func watchVMs(reg registry) { reg.AddHandler(vmWatcher{}) }

type vmWatcher struct{}

func (vmWatcher) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabVMWatcher", Value: "LabVMWatcher"}
}

func (vmWatcher) PutObject(obj mo.Reference) { setEnums(obj) }

func (vmWatcher) UpdateObject(mo.Reference, []types.PropertyChange) {}

func (vmWatcher) RemoveObject(types.ManagedObjectReference) {}
