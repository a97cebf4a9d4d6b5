package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// handler answers a call itself, refuses it, or returns neither: then the
// simulator answers.
type handler func(*lab, call) (interface{}, *refusal)

var handlers map[string]handler

func init() {
	handlers = map[string]handler{
		"Login":                       (*lab).login,
		"LoginByToken":                (*lab).noLogin,
		"LoginExtensionByCertificate": (*lab).noLogin,
		"LoginBySSPI":                 (*lab).noLogin,

		"HasPrivilegeOnEntities":       (*lab).hasPrivilegeOnEntities,
		"HasPrivilegeOnEntity":         (*lab).hasPrivilegeOnEntity,
		"FetchUserPrivilegeOnEntities": (*lab).fetchUserPrivileges,
		"HasUserPrivilegeOnEntities":   (*lab).hasUserPrivileges,

		"ReconfigVM_Task":      (*lab).reconfigVM,
		"MarkAsTemplate":       (*lab).markAsTemplate,
		"MarkAsVirtualMachine": (*lab).markAsVM,
		"PowerOnVM_Task":       (*lab).powerOn,
		"PowerOffVM_Task":      (*lab).powerOff,
		"ResetVM_Task":         (*lab).reset,
		"SuspendVM_Task":       (*lab).suspend,
		"PowerOnMultiVM_Task":  (*lab).powerOnMany,
		"ShutdownGuest":        (*lab).shutdownGuest,
		"RebootGuest":          (*lab).rebootGuest,
		"AnswerVM":             (*lab).answerVM,
		"Destroy_Task":         (*lab).destroyVM,

		"MakeDirectory":            (*lab).makeDirectory,
		"CreateDirectory":          (*lab).createNamespace,
		"SearchDatastore_Task":     (*lab).searchDatastore,
		"MoveDatastoreFile_Task":   (*lab).moveFile,
		"CopyDatastoreFile_Task":   (*lab).copyFile,
		"DeleteDatastoreFile_Task": (*lab).deleteFile,
		"DeleteVirtualDisk_Task":   (*lab).deleteDisk,
		"MoveVirtualDisk_Task":     (*lab).moveDisk,
		"CopyVirtualDisk_Task":     (*lab).copyDisk,
		"CreateVirtualDisk_Task":   (*lab).createDisk,

		"CreateImportSpec":        (*lab).checkImportSpec,
		"ImportVApp":              (*lab).importVApp,
		"HttpNfcLeaseProgress":    (*lab).leaseProgress,
		"HttpNfcLeaseGetManifest": (*lab).leaseManifest,
		"HttpNfcLeaseComplete":    (*lab).leaseComplete,
		"HttpNfcLeaseAbort":       (*lab).leaseAbort,

		"DeleteDirectory":                (*lab).notModelled,
		"ConvertNamespacePathToUuidPath": (*lab).notModelled,

		"AttachDisk_Task":       (*lab).notModelled,
		"DetachDisk_Task":       (*lab).notModelled,
		"InstantClone_Task":     (*lab).notModelled,
		"CustomizeVM_Task":      (*lab).notModelled,
		"MigrateVM_Task":        (*lab).notModelled,
		"RevertToSnapshot_Task": (*lab).notModelled,

		"DatastoreEnterMaintenanceMode": (*lab).enterDatastoreMaintenance,
	}
}

// decode gives the request of a call as govmomi's type.
func decode(c call, into interface{}) *refusal {
	m, err := simulator.UnmarshalBody(types.TypeFunc(), c.raw)
	if err == nil {
		err = assign(into, m.Body)
	}
	if err != nil {
		return &refusal{fault: &types.InvalidRequest{}, message: err.Error()}
	}
	return nil
}

// anonymous are the calls that need no session.
var anonymous = map[string]bool{
	"RetrieveServiceContent": true, "RetrieveInternalContent": true,
	"Login": true, "LoginByToken": true, "LoginExtensionByCertificate": true,
	"LoginBySSPI": true, "CloneSession": true,
}

// admit checks session and privilege.
func (l *lab) admit(c call) *refusal {
	if c.user == "" && !anonymous[c.name] && !l.readsAnonymously(c) {
		no := noPermission(c.this, "System.View")
		return refuse("session-needed", &types.NotAuthenticated{NoPermission: no},
			"The session is not authenticated.")
	}
	return l.allowed(c.this, methodPrivileges[c.name]...)
}

// readsAnonymously is true for property reads of the two objects that a
// vCenter shows to everyone.
func (l *lab) readsAnonymously(c call) bool {
	if c.name == "Fetch" {
		return c.this.Type == "ServiceInstance" || c.this.Type == "SessionManager"
	}
	if c.name == "RetrieveProperties" || c.name == "RetrievePropertiesEx" {
		var specs []types.PropertyFilterSpec
		if m, err := simulator.UnmarshalBody(types.TypeFunc(), c.raw); err == nil {
			switch req := m.Body.(type) {
			case *types.RetrieveProperties:
				specs = req.SpecSet
			case *types.RetrievePropertiesEx:
				specs = req.SpecSet
			}
		}
		for _, spec := range specs {
			for _, object := range spec.ObjectSet {
				kind := object.Obj.Type
				if kind != "ServiceInstance" && kind != "SessionManager" || len(object.SelectSet) > 0 {
					return false
				}
			}
		}
		return len(specs) > 0
	}
	return false
}

func (l *lab) login(c call) (interface{}, *refusal) {
	var req types.Login
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	if req.UserName != l.user || req.Password != l.password {
		return nil, refuse("login-checked", &types.InvalidLogin{},
			"Cannot complete login due to an incorrect user name or password.")
	}
	return nil, nil
}

func (l *lab) noLogin(call) (interface{}, *refusal) {
	return nil, refuse("login-checked", &types.InvalidLogin{}, "The lab only knows user and password.")
}

// notModelled refuses what the simulator would do without any rule.
func (l *lab) notModelled(c call) (interface{}, *refusal) {
	return nil, refuse("spec-known", &types.NotSupported{}, "The lab does not model %s.", c.name)
}
