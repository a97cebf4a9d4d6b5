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
var datastorePlan = []struct {
	name  string
	hosts []string
	pod   bool
	gib   int64
}{
	{"shared-01", nil, false, 4096},
	{"shared-02", nil, false, 2048},
	{"pod-ds-01", nil, true, 1024},
	{"pod-ds-02", nil, true, 1536},
	{"cl-a-only", []string{"esx-a1.lab", "esx-a2.lab", "esx-a3.lab"}, false, 8192},
	{"local-a1", []string{"esx-a1.lab"}, false, 512},
	{"local-solo", []string{soloHost}, false, 256},
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
	for _, plan := range datastorePlan {
		hosts := plan.hosts
		if hosts == nil {
			for _, c := range clusterPlan {
				hosts = append(hosts, c.hosts...)
			}
		}
		ref, err := b.addDatastore(plan.name, hosts[0])
		if err != nil {
			return err
		}
		if plan.pod {
			task, err := object.NewFolder(b.client, pod.Reference()).MoveInto(b.ctx, []types.ManagedObjectReference{ref})
			if err != nil {
				return err
			}
			if err := task.Wait(b.ctx); err != nil {
				return err
			}
		}
		b.mount(plan.name, hosts, plan.gib)
	}
	return nil
}

func (b *builder) addDatastore(name, host string) (types.ManagedObjectReference, error) {
	dir := filepath.Join(b.home, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return types.ManagedObjectReference{}, err
	}
	system, err := object.NewHostSystem(b.client, b.hosts[host].Self).ConfigManager().DatastoreSystem(b.ctx)
	if err != nil {
		return types.ManagedObjectReference{}, err
	}
	ds, err := system.CreateLocalDatastore(b.ctx, name, dir)
	if err != nil {
		return types.ManagedObjectReference{}, err
	}
	b.places[name] = datastorePlace{ref: ds.Reference(), dir: dir}
	return ds.Reference(), nil
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
