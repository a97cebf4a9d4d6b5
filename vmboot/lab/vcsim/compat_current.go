//go:build !govmomi024

package main

// What differs between the govmomi release of go.mod and Debian's 0.24.2 is
// here and in compat_024.go, and nowhere else.

import (
	"context"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const govmomiRelease = "0.55.1"

// capabilities tells tests what this build can do; see compat_024.go.
var capabilities = []string{
	"strict-rules", "faults", "privileges", "questions", "http-folder",
	"task-delay", "task-delay-all", "storage-pod", "namespace-manager", "keyed-paths",
}

type registry = *simulator.Registry

func setTaskDelay(ms int) {
	simulator.TaskDelay.MethodDelay = map[string]int{"LockHandoff": 0}
	simulator.TaskDelay.Delay = ms
}

func serviceRegistry(s *simulator.Service) registry { return s.Context.Map }

// newContext returns a context of its own, so that its locks are its own.
func newContext(s *simulator.Service) *simulator.Context {
	c := *s.Context
	c.Context = context.Background()
	return &c
}

func withLock(ctx *simulator.Context, reg registry, obj mo.Reference, f func()) {
	reg.WithLock(ctx, obj, f)
}

func updateObject(ctx *simulator.Context, reg registry, obj mo.Reference, c []types.PropertyChange) {
	reg.Update(ctx, obj, c)
}

func noPermission(obj types.ManagedObjectReference, privilege string) types.NoPermission {
	return types.NoPermission{
		Object:      &obj,
		PrivilegeId: privilege,
		MissingPrivileges: []types.NoPermissionEntityPrivileges{
			{Entity: obj, PrivilegeIds: []string{privilege}},
		},
	}
}

// stripModern takes away what API 7 does not know.
func stripModern(fault types.BaseMethodFault) {
	switch f := fault.(type) {
	case *types.NoPermission:
		f.MissingPrivileges = nil
	case *types.NotAuthenticated:
		f.MissingPrivileges = nil
	}
}

func setCoresPerSocket(hw *types.VirtualHardware, spec *types.VirtualMachineConfigSpec) {
	if spec.NumCoresPerSocket != nil {
		hw.NumCoresPerSocket = spec.NumCoresPerSocket
	}
}

func coresPerSocket(n int32) *int32 { return types.NewInt32(n) }

// importName is the name that CreateImportSpec is to give the VM.
func importName(req *types.CreateImportSpec) string {
	if req.Cisp == nil {
		return ""
	}
	return req.Cisp.GetOvfCreateImportSpecParams().EntityName
}

// watchVMs sets the defaults of every VM that is made later.
func watchVMs(reg registry) { reg.AddHandler(vmWatcher{}) }

type vmWatcher struct{}

func (vmWatcher) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabVMWatcher", Value: "LabVMWatcher"}
}

func (vmWatcher) PutObject(_ *simulator.Context, obj mo.Reference) { setEnums(obj) }

func (vmWatcher) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) {}

func (vmWatcher) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}
