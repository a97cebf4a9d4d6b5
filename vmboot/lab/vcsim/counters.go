package main

import "sync"

// writeMethods are the calls that change the inventory or files.
var writeMethods = map[string]bool{
	"ReconfigVM_Task": true, "MarkAsTemplate": true, "MarkAsVirtualMachine": true,
	"PowerOnVM_Task": true, "PowerOffVM_Task": true, "ResetVM_Task": true, "SuspendVM_Task": true,
	"PowerOnMultiVM_Task": true, "ShutdownGuest": true, "RebootGuest": true, "StandbyGuest": true,
	"AnswerVM": true, "Destroy_Task": true, "Rename_Task": true, "UnregisterVM": true,
	"CreateVM_Task": true, "RegisterVM_Task": true, "CloneVM_Task": true, "RelocateVM_Task": true,
	"MigrateVM_Task": true, "InstantClone_Task": true, "UpgradeVM_Task": true,
	"CreateSnapshot_Task": true, "CreateSnapshotEx_Task": true, "RemoveAllSnapshots_Task": true,
	"RemoveSnapshot_Task": true, "RevertToCurrentSnapshot_Task": true, "RevertToSnapshot_Task": true,
	"ConsolidateVMDisks_Task": true, "AttachDisk_Task": true, "DetachDisk_Task": true,
	"SetCustomValue": true, "setCustomValue": true,
	"MakeDirectory": true, "MoveDatastoreFile_Task": true, "CopyDatastoreFile_Task": true,
	"DeleteDatastoreFile_Task": true, "CreateDirectory": true, "DeleteDirectory": true,
	"CreateVirtualDisk_Task": true, "CopyVirtualDisk_Task": true, "MoveVirtualDisk_Task": true,
	"DeleteVirtualDisk_Task": true, "ExtendVirtualDisk_Task": true, "SetVirtualDiskUuid": true,
	"ImportVApp": true, "ImportVAppTask": true, "HttpNfcLeaseComplete": true, "HttpNfcLeaseAbort": true,
	"CreateFolder": true, "MoveIntoFolder_Task": true, "CreateStoragePod": true,
	"CreateResourcePool": true, "DestroyChildren": true, "UpdateConfig": true,
	"DatastoreEnterMaintenanceMode": true, "DatastoreExitMaintenanceMode_Task": true,
	"EnterMaintenanceMode_Task": true, "ExitMaintenanceMode_Task": true,
	"CreateLocalDatastore": true, "CreateNasDatastore": true, "RemoveDatastore": true,
	"UpdateOptions": true, "AddHost_Task": true, "ReconfigureComputeResource_Task": true,
	"FolderPUT": true, "FolderDELETE": true, "NfcPOST": true, "NfcPUT": true,
}

// counters counts calls per method.  HTTP file access counts as FolderGET,
// FolderPUT and so on.
type counters struct {
	mu          sync.Mutex
	calls       map[string]int
	writes      map[string]int
	totalCalls  int
	totalWrites int
	puts        int
	bytes       int64
}

func (c *counters) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls, c.writes = map[string]int{}, map[string]int{}
	c.totalCalls, c.totalWrites, c.puts, c.bytes = 0, 0, 0, 0
}

func (c *counters) count(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[method]++
	c.totalCalls++
	if writeMethods[method] {
		c.writes[method]++
		c.totalWrites++
	}
	if method == "FolderPUT" {
		c.puts++
	}
}

func (c *counters) uploaded(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += n
}

type counterReport struct {
	Calls       map[string]int `json:"calls"`
	Writes      map[string]int `json:"writes"`
	TotalCalls  int            `json:"total_calls"`
	TotalWrites int            `json:"total_writes"`
	FolderPuts  int            `json:"folder_puts"`
	FolderBytes int64          `json:"folder_bytes"`
}

func (c *counters) report() counterReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return counterReport{
		Calls: copyCounts(c.calls), Writes: copyCounts(c.writes),
		TotalCalls: c.totalCalls, TotalWrites: c.totalWrites,
		FolderPuts: c.puts, FolderBytes: c.bytes,
	}
}

func copyCounts(m map[string]int) map[string]int {
	out := make(map[string]int, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
