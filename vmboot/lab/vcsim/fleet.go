package main

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"
)

// The virtual machines of the lab, as plans.

var (
	emptyIDE  = cdPlan{slot: slot{busIDE, 0}}
	otherIDE  = cdPlan{slot: slot{busIDE, 0}, iso: otherISO, start: true}
	otherIDE2 = cdPlan{slot: slot{busIDE, 0}, iso: otherISO}
	emptySATA = cdPlan{slot: slot{busSATA, 0}}
	otherSATA = cdPlan{slot: slot{busSATA, 0}, iso: otherISO, start: true}
	slaveIDE  = cdPlan{slot: slot{busIDE, 1}}
	nextSATA  = cdPlan{slot: slot{busSATA, 1}}
)

// biosDrives and uefiDrives are the variety of CD-ROM drives; number n of the
// fleet takes entry n modulo their length.
var biosDrives = []func(*vmPlan){
	func(p *vmPlan) { p.cds = []cdPlan{emptyIDE} },
	func(p *vmPlan) { p.cds = []cdPlan{otherIDE} },
	func(p *vmPlan) { p.cds = []cdPlan{otherIDE2} },
	func(*vmPlan) {},
	func(p *vmPlan) { p.cds, p.extraDisks = []cdPlan{slaveIDE}, []slot{{busIDE, 0}} },
	func(p *vmPlan) { p.cds = []cdPlan{emptySATA} },
	func(p *vmPlan) { p.cds = []cdPlan{emptyIDE, nextSATA} },
}

var uefiDrives = []func(*vmPlan){
	func(p *vmPlan) { p.cds = []cdPlan{emptySATA} },
	func(p *vmPlan) { p.cds = []cdPlan{otherSATA} },
	func(p *vmPlan) { p.sata = true },
	func(*vmPlan) {},
	func(p *vmPlan) { p.cds, p.extraDisks = []cdPlan{nextSATA}, []slot{{busSATA, 0}} },
	func(p *vmPlan) { p.cds = []cdPlan{emptyIDE} },
	func(p *vmPlan) { p.cds = []cdPlan{otherIDE} },
}

// bootVariety are boot options that a change of the boot order must keep.
var bootVariety = []func(*vmPlan){
	func(*vmPlan) {},
	func(p *vmPlan) { p.bootWords, p.bootDelay = []string{"disk", "nic"}, 5000 },
	func(p *vmPlan) { p.retry, p.retryDelay = types.NewBool(true), 15000 },
	func(p *vmPlan) { p.bootWords = []string{"nic", "disk"} },
	func(p *vmPlan) { p.bootDelay, p.setup = 2500, types.NewBool(false) },
	func(p *vmPlan) { p.bootWords, p.retry, p.retryDelay = []string{"disk"}, types.NewBool(true), 30000 },
}

// runningHosts are the hosts that may run a VM.
var runningHosts = []string{"esx-a1.lab", "esx-b1.lab", "esx-a2.lab", "esx-b2.lab", "esx-a3.lab"}

func (b *builder) buildVMs() error {
	plans := b.ordinary()
	plans = append(plans, b.templates()...)
	if b.disks {
		for i := range plans {
			b.vary(i, &plans[i])
		}
	}
	if b.specials {
		plans = append(plans, specialPlans()...)
	}
	if b.specials && b.disks {
		plans = append(plans, b.diskSpecials()...)
	}
	for i, p := range plans {
		p.mac = i + 1
		if _, err := b.build(p); err != nil {
			return err
		}
	}
	if b.specials {
		if err := b.snapshotOf("snap-01"); err != nil {
			return err
		}
	}
	if b.specials && b.disks {
		return b.finishSpecials()
	}
	return nil
}

// ordinary are pvs-001 and on: the odd ones BIOS, the even ones UEFI.
func (b *builder) ordinary() []vmPlan {
	plans := make([]vmPlan, b.vms)
	for i := range plans {
		efi := i%2 == 1
		p := vmPlan{
			name:      fmt.Sprintf("pvs-%03d", i+1),
			folder:    map[bool]string{false: "PVS/BIOS", true: "PVS/UEFI"}[efi],
			host:      runningHosts[i%len(runningHosts)],
			datastore: []string{"shared-01", "shared-02", "shared-01", "pod-ds-01"}[i%4],
			efi:       efi,
			hw:        13 + i%8,
			guestID:   map[bool]string{false: "windows9_64Guest", true: "windows2019srv_64Guest"}[efi],
			on:        i%4 == 1 && i%8 != 5 || i%8 == 2,
			private:   vmPrivate{hasTools: i%3 != 0},
		}
		n := i / 2
		if efi {
			uefiDrives[n%len(uefiDrives)](&p)
		} else {
			biosDrives[n%len(biosDrives)](&p)
		}
		bootVariety[(n+i%2*3)%len(bootVariety)](&p)
		if i%5 == 0 {
			p.annotation = fmt.Sprintf("Owner: team %d\nDo not move.", i%3)
		}
		if i%4 == 0 {
			p.extra = [][2]string{{"guestinfo.site", fmt.Sprintf("site-%d", i%3)}, {"disk.EnableUUID", "TRUE"}}
		}
		plans[i] = p
	}
	return plans
}

// templates are four known ones, then tpl-005 and on.
func (b *builder) templates() []vmPlan {
	known := []vmPlan{
		{name: "tpl-win11-pvs", efi: true, hw: 20, guestID: "windows9_64Guest", cds: []cdPlan{emptySATA},
			annotation: "Windows 11, streamed", host: "esx-a1.lab"},
		{name: "tpl-win10-bios", hw: 14, guestID: "windows9_64Guest", cds: []cdPlan{otherIDE},
			bootWords: []string{"disk", "nic"}, bootDelay: 3000, host: "esx-b1.lab"},
		{name: "tpl-linux-uefi", efi: true, hw: 19, guestID: "otherLinux64Guest", host: "esx-a2.lab",
			retry: types.NewBool(true), retryDelay: 20000},
		{name: "tpl-rhel-bios", hw: 15, guestID: "rhel7_64Guest", cds: []cdPlan{emptyIDE}, host: "esx-b2.lab",
			extra: [][2]string{{"guestinfo.role", "golden"}}},
	}
	plans := make([]vmPlan, b.lab.options.templates)
	for i := range plans {
		p := vmPlan{
			name: fmt.Sprintf("tpl-%03d", i+1), efi: i%2 == 0, hw: 17, guestID: "otherLinux64Guest",
			host: runningHosts[i%len(runningHosts)],
		}
		if i < len(known) {
			p = known[i]
		} else if p.efi {
			uefiDrives[i%len(uefiDrives)](&p)
		} else {
			biosDrives[i%len(biosDrives)](&p)
		}
		p.folder, p.datastore, p.template = "Templates", []string{"shared-01", "shared-02"}[i%2], true
		plans[i] = p
	}
	return plans
}
