package main

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"
)

// specialPlans are the machines that a careful client refuses, each for
// another reason.
func specialPlans() []vmPlan {
	const linux, windows = "otherLinux64Guest", "windows2019srv_64Guest"
	return []vmPlan{
		{name: "sb-01", folder: "Special", host: "esx-a1.lab", datastore: "shared-01", efi: true, hw: 19,
			guestID: windows, secureBoot: true, cds: []cdPlan{emptySATA}, annotation: "Secure Boot is on"},
		{name: "snap-01", folder: "Special", host: "esx-a2.lab", datastore: "shared-01", hw: 17,
			guestID: linux, extraDisks: []slot{{busIDE, 0}, {busSATA, 0}},
			annotation: "Has a snapshot; disks take IDE 0:0 and SATA 0:0"},
		{name: "twin", folder: "Special/one", host: "esx-a1.lab", datastore: "shared-01", hw: 17,
			guestID: linux, cds: []cdPlan{emptyIDE}},
		{name: "twin", folder: "Special/two", host: "esx-b1.lab", datastore: "shared-02", hw: 17,
			guestID: linux, cds: []cdPlan{emptyIDE}},
		{name: "local-01", folder: "Special", host: "esx-a1.lab", datastore: "local-a1", efi: true, hw: 18,
			guestID: linux, cds: []cdPlan{emptySATA}, annotation: "Its disk is on a datastore of one host"},
		{name: "solo-01", folder: "Special", host: soloHost, datastore: "local-solo", hw: 18,
			guestID: linux, cds: []cdPlan{emptyIDE}, annotation: "Its host mounts no shared datastore"},
		{name: "locked-01", folder: "Special", host: "esx-b2.lab", datastore: "shared-01", hw: 18,
			guestID: linux, cds: []cdPlan{otherIDE}, on: true,
			private: vmPrivate{locksCD: true, hasTools: true}, annotation: "The guest holds its CD"},
		{name: "stubborn-01", folder: "Special", host: "esx-b1.lab", datastore: "shared-02", hw: 18,
			guestID: linux, cds: []cdPlan{emptyIDE}, on: true,
			private: vmPrivate{ignores: true, hasTools: true}, annotation: "The guest ignores a shutdown request"},
	}
}

func (b *builder) snapshotOf(name string) error {
	vm, err := b.findVM(name)
	if err != nil {
		return err
	}
	_, err = b.runTask(vm, "CreateSnapshotTask", &types.CreateSnapshot_Task{
		This: vm.Self, Name: "before-update", Description: "taken by the lab",
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
