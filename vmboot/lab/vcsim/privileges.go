package main

import (
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// privilegeTable holds what the control API withheld: inventory path to
// privilege ids.  Everything else is granted, as to an administrator.
type privilegeTable struct {
	mu      sync.Mutex
	missing map[string]map[string]bool
}

func (t *privilegeTable) withhold(path string, ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.missing == nil {
		t.missing = map[string]map[string]bool{}
	}
	path = strings.TrimRight(path, "/")
	if t.missing[path] == nil {
		t.missing[path] = map[string]bool{}
	}
	for _, id := range ids {
		t.missing[path][id] = true
	}
}

func (t *privilegeTable) grantAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missing = nil
}

func (t *privilegeTable) any() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.missing) > 0
}

// has tells whether a privilege is there on a path; what is withheld on an
// entity is withheld below it, too.
func (t *privilegeTable) has(path, id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for entity, ids := range t.missing {
		if ids[id] && (path == entity || strings.HasPrefix(path, entity+"/")) {
			return false
		}
	}
	return true
}

// methodPrivileges are the privileges of calls that need the same ones
// whatever their arguments; ReconfigVM_Task and files have rules of their own.
var methodPrivileges = map[string][]string{
	"MarkAsTemplate":          {"VirtualMachine.Provisioning.MarkAsTemplate"},
	"MarkAsVirtualMachine":    {"VirtualMachine.Provisioning.MarkAsVM"},
	"PowerOnVM_Task":          {"VirtualMachine.Interact.PowerOn"},
	"PowerOffVM_Task":         {"VirtualMachine.Interact.PowerOff"},
	"ShutdownGuest":           {"VirtualMachine.Interact.PowerOff"},
	"RebootGuest":             {"VirtualMachine.Interact.Reset"},
	"ResetVM_Task":            {"VirtualMachine.Interact.Reset"},
	"SuspendVM_Task":          {"VirtualMachine.Interact.Suspend"},
	"AnswerVM":                {"VirtualMachine.Interact.AnswerQuestion"},
	"Destroy_Task":            {"VirtualMachine.Inventory.Delete"},
	"CloneVM_Task":            {"VirtualMachine.Provisioning.Clone"},
	"CreateSnapshot_Task":     {"VirtualMachine.State.CreateSnapshot"},
	"RemoveAllSnapshots_Task": {"VirtualMachine.State.RemoveSnapshot"},
	"ImportVApp":              {"VApp.Import"},
	"CreateVM_Task":           {"VirtualMachine.Inventory.Create"},
}

// allowed refuses when one of the privileges is withheld.
func (l *lab) allowed(ref types.ManagedObjectReference, ids ...string) *refusal {
	if len(ids) == 0 || !l.privileges.any() {
		return nil
	}
	path := l.path(ref)
	for _, id := range ids {
		if !l.privileges.has(path, id) {
			no := noPermission(ref, id)
			return refuse("privilege", &no, "Permission to perform this operation was denied: %s on %s.", id, path)
		}
	}
	return nil
}

func (l *lab) privilegesOn(ref types.ManagedObjectReference, ids []string) []types.PrivilegeAvailability {
	path := l.path(ref)
	out := make([]types.PrivilegeAvailability, len(ids))
	for i, id := range ids {
		out[i] = types.PrivilegeAvailability{PrivId: id, IsGranted: l.privileges.has(path, id)}
	}
	return out
}

func (l *lab) entityPrivileges(refs []types.ManagedObjectReference, ids []string) ([]types.EntityPrivilege, *refusal) {
	var out []types.EntityPrivilege
	for _, ref := range refs {
		if _, ok := l.reg.Get(ref).(mo.Entity); !ok {
			return nil, &refusal{fault: &types.ManagedObjectNotFound{Obj: ref}}
		}
		out = append(out, types.EntityPrivilege{Entity: ref, PrivAvailability: l.privilegesOn(ref, ids)})
	}
	return out, nil
}

func (l *lab) hasPrivilegeOnEntities(c call) (interface{}, *refusal) {
	var req types.HasPrivilegeOnEntities
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	list, no := l.entityPrivileges(req.Entity, req.PrivId)
	return &types.HasPrivilegeOnEntitiesResponse{Returnval: list}, no
}

func (l *lab) hasUserPrivileges(c call) (interface{}, *refusal) {
	var req types.HasUserPrivilegeOnEntities
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	list, no := l.entityPrivileges(req.Entities, req.PrivId)
	return &types.HasUserPrivilegeOnEntitiesResponse{Returnval: list}, no
}

func (l *lab) hasPrivilegeOnEntity(c call) (interface{}, *refusal) {
	var req types.HasPrivilegeOnEntity
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	res := &types.HasPrivilegeOnEntityResponse{}
	for _, p := range l.privilegesOn(req.Entity, req.PrivId) {
		res.Returnval = append(res.Returnval, p.IsGranted)
	}
	return res, nil
}

func (l *lab) fetchUserPrivileges(c call) (interface{}, *refusal) {
	var req types.FetchUserPrivilegeOnEntities
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	res := &types.FetchUserPrivilegeOnEntitiesResponse{}
	for _, ref := range req.Entities {
		result := types.UserPrivilegeResult{Entity: ref}
		for _, p := range l.privilegesOn(ref, knownPrivileges()) {
			if p.IsGranted {
				result.Privileges = append(result.Privileges, p.PrivId)
			}
		}
		res.Returnval = append(res.Returnval, result)
	}
	return res, nil
}

// knownPrivileges are the ones that some operation of the lab asks for.
func knownPrivileges() []string {
	seen := map[string]bool{}
	ids := []string{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, list := range methodPrivileges {
		for _, id := range list {
			add(id)
		}
	}
	for _, id := range reconfigurePrivileges {
		add(id)
	}
	add("System.View")
	add("System.Read")
	return ids
}
