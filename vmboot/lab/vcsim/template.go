package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func (l *lab) markAsTemplate(c call) (res interface{}, no *refusal) {
	vm, no := l.vmOf(c)
	if no != nil {
		return nil, no
	}
	if no := l.claim(vm.Self, l.nextTask(), vm.Name); no != nil {
		return nil, no
	}
	defer l.release(vm.Self)
	l.locked(vm, func(ctx *simulator.Context) { no = l.toTemplate(ctx, vm) })
	return &types.MarkAsTemplateResponse{}, no
}

func (l *lab) toTemplate(ctx *simulator.Context, vm *simulator.VirtualMachine) *refusal {
	switch {
	case vm.Config.Template:
		return refuse("template-once", &types.NotSupported{}, "%s is a template already.", vm.Name)
	case vm.Runtime.PowerState != poweredOff:
		return refuse("template-off", invalidPower(poweredOff, vm.Runtime.PowerState), "%s is powered on.", vm.Name)
	}
	l.leavePool(vm)
	vm.ResourcePool = nil
	updateObject(ctx, l.reg, vm, []types.PropertyChange{
		set("config.template", true), set("summary.config.template", true), set("resourcePool", nil),
	})
	return nil
}

func (l *lab) markAsVM(c call) (res interface{}, no *refusal) {
	vm, no := l.vmOf(c)
	if no != nil {
		return nil, no
	}
	var req types.MarkAsVirtualMachine
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	if no := l.allowed(req.Pool, "Resource.AssignVMToPool"); no != nil {
		return nil, no
	}
	if no := l.claim(vm.Self, l.nextTask(), vm.Name); no != nil {
		return nil, no
	}
	defer l.release(vm.Self)
	l.locked(vm, func(ctx *simulator.Context) { no = l.toVM(ctx, vm, &req) })
	return &types.MarkAsVirtualMachineResponse{}, no
}

func (l *lab) toVM(ctx *simulator.Context, vm *simulator.VirtualMachine, req *types.MarkAsVirtualMachine) *refusal {
	if !vm.Config.Template {
		return refuse("not-template", &types.NotSupported{}, "%s is not a template.", vm.Name)
	}
	owner := l.poolOwner(req.Pool)
	if owner == nil {
		return refuse("pool-required", invalidArgument("pool"), "%q is no resource pool.", req.Pool.Value)
	}
	host := req.Host
	if host == nil {
		if owner.cluster && !owner.drs {
			return refuse("pool-host", invalidArgument("host"),
				"A cluster without DRS needs the host as well as the pool.")
		}
		host = vm.Runtime.Host
	}
	if !owner.hosts[*host] {
		return refuse("pool-host", invalidArgument("host"), "The host does not belong to the resource pool's cluster.")
	}
	vm.ResourcePool = &req.Pool
	updateObject(ctx, l.reg, vm, []types.PropertyChange{
		set("config.template", false), set("summary.config.template", false),
		set("resourcePool", req.Pool), set("runtime.host", *host), set("summary.runtime.host", *host),
	})
	l.joinPool(vm)
	return nil
}

// computeResource is what the template rules ask of a pool's owner.
type computeResource struct {
	cluster, drs bool
	hosts        map[types.ManagedObjectReference]bool
}

func (l *lab) poolOwner(pool types.ManagedObjectReference) *computeResource {
	rp, ok := l.reg.Get(pool).(*simulator.ResourcePool)
	if !ok {
		return nil
	}
	owner := &computeResource{hosts: map[types.ManagedObjectReference]bool{}}
	var hosts []types.ManagedObjectReference
	switch x := l.reg.Get(rp.Owner).(type) {
	case *simulator.ClusterComputeResource:
		hosts, owner.cluster = x.Host, true
		if info, ok := x.ConfigurationEx.(*types.ClusterConfigInfoEx); ok {
			owner.drs = isTrue(info.DrsConfig.Enabled)
		}
	case *mo.ComputeResource:
		hosts = x.Host
	}
	for _, h := range hosts {
		owner.hosts[h] = true
	}
	return owner
}

func (l *lab) leavePool(vm *simulator.VirtualMachine) {
	if vm.ResourcePool == nil {
		return
	}
	if rp, ok := l.reg.Get(*vm.ResourcePool).(*simulator.ResourcePool); ok {
		l.locked(rp, func(*simulator.Context) { rp.Vm = without(rp.Vm, vm.Self) })
	}
}

func (l *lab) joinPool(vm *simulator.VirtualMachine) {
	if rp, ok := l.reg.Get(*vm.ResourcePool).(*simulator.ResourcePool); ok {
		l.locked(rp, func(*simulator.Context) { rp.Vm = append(without(rp.Vm, vm.Self), vm.Self) })
	}
}

func without(list []types.ManagedObjectReference, ref types.ManagedObjectReference) []types.ManagedObjectReference {
	out := make([]types.ManagedObjectReference, 0, len(list))
	for _, r := range list {
		if r != ref {
			out = append(out, r)
		}
	}
	return out
}
