package main

import (
	"os"

	"github.com/vmware/govmomi/vim25/types"
)

func (d *draft) editCD(i int, cd, old *types.VirtualCdrom) *refusal {
	if no := d.checkMedia(i, cd, old); no != nil {
		return no
	}
	was := fileBacking(old)
	held := d.on && was != "" && old.Connectable != nil && old.Connectable.Connected
	if held && (fileBacking(cd) != was || !cd.Connectable.Connected) {
		d.ejects = true
	}
	return nil
}

// checkMedia checks the file in a CD-ROM drive and settles its connection.
func (d *draft) checkMedia(i int, cd, old *types.VirtualCdrom) *refusal {
	if cd.Backing == nil {
		return refuse("edit-complete", invalidDevice(i), "A CD-ROM drive has a backing.")
	}
	connect := types.VirtualDeviceConnectInfo{AllowGuestControl: true}
	if cd.Connectable != nil {
		connect = *cd.Connectable
	}
	if old != nil && old.Connectable != nil {
		keepFields(&connect, old.Connectable, "Status", "MigrateConnect")
	}
	connect.Connected = connect.Connected && d.on
	cd.Connectable = &connect
	iso, ok := cd.Backing.(*types.VirtualCdromIsoBackingInfo)
	if !ok {
		connect.Connected = false
		return nil
	}
	clone := *iso
	cd.Backing = &clone
	unchanged := old != nil && fileBacking(old) == clone.FileName
	p, file, no := d.reachable(clone.FileName)
	if no != nil && !unchanged {
		return no
	}
	if info, err := os.Stat(file); !unchanged && (err != nil || info.IsDir()) {
		return refuse("iso-exists", fileNotFound(clone.FileName), "File %s was not found.", clone.FileName)
	}
	if place, ok := d.l.places[p.Datastore]; ok {
		ref := place.ref
		clone.Datastore = &ref
	}
	return nil
}

// startMedia connects what is to be connected at power on, as far as its
// media are there.
func (l *lab) startMedia(cd *types.VirtualCdrom, host *types.ManagedObjectReference) bool {
	name := fileBacking(cd)
	if name == "" || cd.Connectable == nil || !cd.Connectable.StartConnected {
		return false
	}
	p, file, fault := l.parseDatastorePath(name)
	if fault != nil || !l.mounts(host, p.Datastore) {
		return false
	}
	info, err := os.Stat(file)
	return err == nil && !info.IsDir()
}

// mounts tells whether a host can use a datastore now.
func (l *lab) mounts(host *types.ManagedObjectReference, datastore string) bool {
	ds := l.datastore(datastore)
	if ds == nil || host == nil {
		return false
	}
	for _, mount := range ds.Host {
		info := mount.MountInfo
		if mount.Key == *host {
			return (info.Accessible == nil || *info.Accessible) && (info.Mounted == nil || *info.Mounted)
		}
	}
	return false
}
