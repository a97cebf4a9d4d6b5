package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// The inventory is the same at every start: names, keys, UUIDs and MACs.

const (
	datacenterName = "DC1"
	networkName    = "VM Network"
	otherISO       = "[shared-01] iso/other-tools.iso"
)

// clusters of the lab; CL-A balances itself (DRS), CL-B does not.
var clusterPlan = []struct {
	name  string
	drs   bool
	hosts []string
}{
	{"CL-A", true, []string{"esx-a1.lab", "esx-a2.lab", "esx-a3.lab"}},
	{"CL-B", false, []string{"esx-b1.lab", "esx-b2.lab", "esx-b3.lab"}},
}

const (
	soloHost        = "esx-solo.lab"
	maintenanceHost = "esx-b3.lab"
)

// datastorePlan: which hosts mount what.  No hosts means those of both
// clusters.
var datastorePlan = []datastoreLine{
	{"shared-01", nil, false, 4096},
	{"shared-02", nil, false, 2048},
	{"pod-ds-01", nil, true, 1024},
	{"pod-ds-02", nil, true, 1536},
	{"cl-a-only", []string{"esx-a1.lab", "esx-a2.lab", "esx-a3.lab"}, false, 8192},
	{"local-a1", []string{"esx-a1.lab"}, false, 512},
	{"local-solo", []string{soloHost}, false, 256},
}

// objectStore is one more in a lab with disks.
var objectStore = datastoreLine{"vsan-01", []string{"esx-a1.lab", "esx-a2.lab", "esx-a3.lab"}, false, 1024}

type datastoreLine struct {
	name  string
	hosts []string
	pod   bool
	gib   int64
}

const podName = "pod-01"

// builder fills an empty vCenter.
type builder struct {
	*lab
	ctx     context.Context
	folders *object.DatacenterFolders
	client  *vim25.Client
	hosts   map[string]*simulator.HostSystem
	vmDirs  map[string]*simulator.Folder
	network types.ManagedObjectReference
}

// populate builds the whole inventory before anybody can connect.
func (l *lab) populate() error {
	setTaskDelay(0)
	watchVMs(l.reg)
	b := &builder{lab: l, ctx: context.Background(), hosts: map[string]*simulator.HostSystem{},
		vmDirs: map[string]*simulator.Folder{}}
	for _, step := range []func() error{
		b.buildDatacenter, b.buildHosts, b.buildDatastores, b.buildFolders, b.buildFiles, b.buildVMs,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	l.task.set(l.taskMS)
	setTaskDelay(l.taskMS)
	return nil
}

func (b *builder) buildDatacenter() error {
	client, err := vim25.NewClient(b.ctx, b.svc)
	if err != nil {
		return err
	}
	b.client = client
	dc, err := object.NewRootFolder(client).CreateDatacenter(b.ctx, datacenterName)
	if err != nil {
		return err
	}
	b.dc = dc.Reference()
	b.folders, err = dc.Folders(b.ctx)
	return err
}

func (b *builder) buildHosts() error {
	for _, plan := range clusterPlan {
		spec := types.ClusterConfigSpecEx{DrsConfig: &types.ClusterDrsConfigInfo{
			Enabled: types.NewBool(plan.drs), DefaultVmBehavior: types.DrsBehaviorFullyAutomated,
		}}
		cluster, err := b.folders.HostFolder.CreateCluster(b.ctx, plan.name, spec)
		if err != nil {
			return err
		}
		b.balance(cluster.Reference(), plan.drs)
		for _, name := range plan.hosts {
			task, err := cluster.AddHost(b.ctx, types.HostConnectSpec{HostName: name}, true, nil, nil)
			if err != nil {
				return err
			}
			if err := b.addHost(name, task); err != nil {
				return err
			}
		}
	}
	task, err := b.folders.HostFolder.AddStandaloneHost(b.ctx, types.HostConnectSpec{HostName: soloHost}, true, nil, nil)
	if err != nil {
		return err
	}
	return b.addHost(soloHost, task)
}

// balance sets what some releases of the simulator leave at its default.
func (b *builder) balance(ref types.ManagedObjectReference, drs bool) {
	cluster := b.reg.Get(ref).(*simulator.ClusterComputeResource)
	if info, ok := cluster.ConfigurationEx.(*types.ClusterConfigInfoEx); ok {
		info.DrsConfig.Enabled = types.NewBool(drs)
	}
}

func (b *builder) addHost(name string, task *object.Task) error {
	info, err := task.WaitForResult(b.ctx, nil)
	if err != nil {
		return err
	}
	h := b.reg.Get(info.Result.(types.ManagedObjectReference)).(*simulator.HostSystem)
	uuid := fixedUUID("host", name)
	h.Summary.Hardware.Uuid = uuid
	if h.Hardware != nil {
		h.Hardware.SystemInfo.Uuid = uuid
	}
	h.Datastore = nil
	h.Runtime.InMaintenanceMode = name == maintenanceHost
	if h.Summary.Runtime == nil {
		h.Summary.Runtime = &types.HostRuntimeInfo{}
	}
	runtime := h.Runtime
	h.Summary.Runtime = &runtime
	b.hosts[name] = h
	return nil
}

func (b *builder) buildDatastores() error {
	pod, err := b.folders.DatastoreFolder.CreateStoragePod(b.ctx, podName)
	if err != nil {
		return err
	}
	plans := datastorePlan
	if b.disks {
		plans = append(plans[:len(plans):len(plans)], objectStore)
	}
	for n, plan := range plans {
		hosts := plan.hosts
		if hosts == nil {
			for _, c := range clusterPlan {
				hosts = append(hosts, c.hosts...)
			}
		}
		parent := b.reg.Get(b.folders.DatastoreFolder.Reference())
		if plan.pod {
			parent = b.reg.Get(pod.Reference())
		}
		if err := b.addDatastore(plan.name, n, parent); err != nil {
			return err
		}
		b.mount(plan.name, hosts, plan.gib)
	}
	if b.disks {
		store := b.datastore(objectStore.name)
		store.Summary.Type = "vsan"
		store.Capability.TopLevelDirectoryCreateSupported = types.NewBool(false)
	}
	return nil
}

// addDatastore registers a datastore by hand: the simulator's own way names it
// after a directory of this machine in some releases.
func (b *builder) addDatastore(name string, n int, parent mo.Reference) error {
	dir := filepath.Join(b.home, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	above := parent.Reference()
	ds := &simulator.Datastore{}
	ds.Self = types.ManagedObjectReference{Type: "Datastore", Value: fmt.Sprintf("datastore-%d", 1000+n)}
	ds.Name = name
	ds.ManagedEntity.Name = name
	ds.Parent = &above
	ds.Info = &types.VmfsDatastoreInfo{DatastoreInfo: types.DatastoreInfo{Name: name, Url: dir}}
	ds.Summary.Datastore = &ds.Self
	ds.Summary.Name, ds.Summary.Url = name, dir
	ds.Capability.DirectoryHierarchySupported = true
	ds.Capability.PerFileThinProvisioningSupported = true
	ds.Capability.TopLevelDirectoryCreateSupported = types.NewBool(true)
	browser := &simulator.HostDatastoreBrowser{}
	browser.Datastore = []types.ManagedObjectReference{ds.Self}
	ds.Browser = b.reg.Put(browser).Reference()
	b.reg.Put(ds)
	switch folder := parent.(type) {
	case *simulator.Folder:
		folder.ChildEntity = append(folder.ChildEntity, ds.Self)
	case *simulator.StoragePod:
		folder.ChildEntity = append(folder.ChildEntity, ds.Self)
	}
	dc := b.datacenter()
	dc.Datastore = append(dc.Datastore, ds.Self)
	b.places[name] = datastorePlace{ref: ds.Self, dir: dir}
	return nil
}

// mount makes the host lists, both ways, say who sees the datastore.
func (b *builder) mount(name string, hosts []string, gib int64) {
	ds := b.datastore(name)
	ds.Host = nil
	for _, hostName := range hosts {
		h := b.hosts[hostName]
		ds.Host = append(ds.Host, types.DatastoreHostMount{
			Key: h.Self,
			MountInfo: types.HostMountInfo{
				Path:       "/vmfs/volumes/" + fixedUUID("datastore", name),
				AccessMode: string(types.HostMountModeReadWrite),
				Mounted:    types.NewBool(true),
				Accessible: types.NewBool(true),
			},
		})
		h.Datastore = append(without(h.Datastore, ds.Self), ds.Self)
		if system, ok := b.reg.Get(*h.ConfigManager.DatastoreSystem).(*simulator.HostDatastoreSystem); ok {
			system.Datastore = h.Datastore
		}
		switch parent := b.reg.Get(*h.Parent).(type) {
		case *simulator.ClusterComputeResource:
			parent.Datastore = append(without(parent.Datastore, ds.Self), ds.Self)
		case *mo.ComputeResource:
			parent.Datastore = append(without(parent.Datastore, ds.Self), ds.Self)
		}
	}
	ds.Summary.Type = "VMFS"
	ds.Summary.MultipleHostAccess = types.NewBool(len(hosts) > 1)
	ds.Summary.MaintenanceMode = "normal"
	ds.Summary.Accessible = true
	ds.Summary.Capacity = gib << 30
	ds.Summary.FreeSpace = gib << 29
	ds.Info.GetDatastoreInfo().FreeSpace = ds.Summary.FreeSpace
}

// folderPlan are the VM folders, parents first.
var folderPlan = []string{
	"PVS", "PVS/BIOS", "PVS/UEFI", "Templates", "Special", "Special/one", "Special/two",
}

func (b *builder) buildFolders() error {
	root := b.folders.VmFolder
	b.vmDirs[""] = b.reg.Get(root.Reference()).(*simulator.Folder)
	made := map[string]*object.Folder{"": root}
	for _, path := range folderPlan {
		parent, name := filepath.Split(path)
		f, err := made[filepath.Clean("/" + parent)[1:]].CreateFolder(b.ctx, name)
		if err != nil {
			return err
		}
		made[path] = f
		b.vmDirs[path] = b.reg.Get(f.Reference()).(*simulator.Folder)
	}
	for _, e := range b.reg.All("Network") {
		if entityName(e) == networkName {
			b.network = e.Reference()
		}
	}
	if b.network.Value == "" {
		return fmt.Errorf("there is no network %q", networkName)
	}
	return nil
}

// buildFiles puts an ISO of somebody else on a datastore.
func (b *builder) buildFiles() error {
	for _, name := range []string{otherISO, "[local-a1] iso/local-tools.iso"} {
		_, file, fault := b.parseDatastorePath(name)
		if fault != nil {
			return fmt.Errorf("%s: %s", name, faultName(fault))
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, isoStub("OTHER_TOOLS"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) datacenter() *simulator.Datacenter {
	return l.reg.Get(l.dc).(*simulator.Datacenter)
}

// hostPool is the root resource pool above a host.
func (l *lab) hostPool(h *simulator.HostSystem) types.ManagedObjectReference {
	switch parent := l.reg.Get(*h.Parent).(type) {
	case *simulator.ClusterComputeResource:
		return *parent.ResourcePool
	case *mo.ComputeResource:
		return *parent.ResourcePool
	}
	return types.ManagedObjectReference{}
}
