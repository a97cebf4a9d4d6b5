package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// HttpNfcLease: the life of one import.  A lease begins as initializing, is
// ready once the VM is there, and ends as done (Complete) or in error (Abort,
// no progress for leaseTimeout seconds, the end of its session, a bad disk).
// One that ends in error takes its VM with it.

// nfcLease embeds the managed object first: the property collector reads it.
type nfcLease struct {
	mo.HttpNfcLease
	ticket  string // secret part of the upload URLs
	session string
	name    string // of the VM
	vm      types.ManagedObjectReference

	mu       sync.Mutex
	deadline time.Time
	timedOut bool
	sending  int // uploads under way
	files    []*leaseFile
}

// leaseFile is one disk of an import.
type leaseFile struct {
	key, importKey string
	name           string // last part of its URL
	disk           string // datastore path
	capacity       int64
	sha1           string // of what was uploaded, "" before
	size           int64
}

func randomHex(n int) string {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // the system has no randomness
	}
	return hex.EncodeToString(b)
}

func (l *lab) newLease(c call, name string) *nfcLease {
	lease := &nfcLease{ticket: randomHex(16), session: c.key, name: name}
	lease.Self = types.ManagedObjectReference{
		Type: "HttpNfcLease", Value: fmt.Sprintf("session[%s]%s", randomHex(4), randomHex(8)),
	}
	lease.State = types.HttpNfcLeaseStateInitializing
	lease.deadline = time.Now().Add(l.leaseTimeout)
	l.reg.Put(lease)
	l.mu.Lock()
	l.leases[lease.ticket] = lease
	l.mu.Unlock()
	return lease
}

// leaseOf finds the lease of a call.
func (l *lab) leaseOf(c call) (*nfcLease, *refusal) {
	if lease, ok := l.reg.Get(c.this).(*nfcLease); ok {
		return lease, nil
	}
	return nil, &refusal{fault: &types.ManagedObjectNotFound{Obj: c.this}}
}

// openLease makes the lease ready: the VM exists, its disks may be uploaded.
func (l *lab) openLease(lease *nfcLease, vm *simulator.VirtualMachine) {
	info := &types.HttpNfcLeaseInfo{
		Lease: lease.Self, Entity: vm.Self, LeaseTimeout: int32(l.leaseTimeout / time.Second),
	}
	list := object.VirtualDeviceList(vm.Config.Hardware.Device)
	for _, dev := range list {
		disk, ok := dev.(*types.VirtualDisk)
		if !ok {
			continue
		}
		n := len(lease.files)
		f := &leaseFile{
			key:       fmt.Sprintf("/%s/%s:%d", vm.Self.Value, list.Type(dev), n),
			importKey: fmt.Sprintf("/%s/%s:%d", vm.Name, list.Type(dev), n),
			name:      fmt.Sprintf("disk-%d.vmdk", n),
			disk:      fileBacking(disk), capacity: disk.CapacityInBytes,
		}
		lease.files = append(lease.files, f)
		info.TotalDiskCapacityInKB += disk.CapacityInKB
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key: f.key, ImportKey: f.importKey, TargetId: f.name, Disk: types.NewBool(true),
			Url:           "https://" + l.address + nfcPrefix + path.Join(lease.ticket, f.name),
			SslThumbprint: l.sha1Thumbprint,
		})
	}
	lease.vm = vm.Self
	lease.mu.Lock()
	lease.deadline = time.Now().Add(l.leaseTimeout)
	lease.mu.Unlock()
	l.update(lease, set("info", info), set("initializeProgress", int32(100)),
		set("state", types.HttpNfcLeaseStateReady))
	go l.watchLease(lease)
}

// watchLease ends a lease that nobody keeps.
func (l *lab) watchLease(lease *nfcLease) {
	for lease.state(l) == types.HttpNfcLeaseStateReady {
		time.Sleep(20 * time.Millisecond)
		l.checkLease(lease)
	}
}

// checkLease ends a lease whose time or session is over.
func (l *lab) checkLease(lease *nfcLease) {
	lease.mu.Lock()
	late := time.Now().After(lease.deadline)
	lease.mu.Unlock()
	switch {
	case late:
		lease.mu.Lock()
		lease.timedOut = true
		lease.mu.Unlock()
		l.failLease(lease, refuse("nfc-lease", &types.Timedout{},
			"The import of %s timed out: no progress for %v.", lease.name, l.leaseTimeout))
	case !l.sessions.alive(lease.session):
		over := &types.NotAuthenticated{NoPermission: noPermission(lease.vm, "System.View")}
		stripModern(over)
		l.failLease(lease, refuse("nfc-lease", over, "The session of the import of %s is over.", lease.name))
	}
}

// state reads the lease's state under its lock.
func (lease *nfcLease) state(l *lab) (s types.HttpNfcLeaseState) {
	l.locked(lease, func(*simulator.Context) { s = lease.State })
	return s
}

// leave changes the state of a lease that is in from; false when it is not.
func (l *lab) leave(lease *nfcLease, from, to types.HttpNfcLeaseState, no *refusal) (moved bool) {
	l.locked(lease, func(ctx *simulator.Context) {
		if lease.State != from {
			return
		}
		moved = true
		changes := []types.PropertyChange{}
		if no != nil {
			changes = append(changes, set("error", types.LocalizedMethodFault{
				Fault: no.fault, LocalizedMessage: no.message,
			}))
		}
		updateObject(ctx, l.reg, lease, append(changes, set("state", to)))
	})
	return moved
}

// failLease ends a ready lease in error, and its VM with it.
func (l *lab) failLease(lease *nfcLease, no *refusal) {
	if !l.leave(lease, types.HttpNfcLeaseStateReady, types.HttpNfcLeaseStateError, no) {
		return
	}
	l.note(no)
	l.release(lease.vm)
	if vm := l.vm(lease.vm); vm != nil {
		l.locked(vm, func(ctx *simulator.Context) { _ = l.erase(ctx, vm) })
	}
}

// readyLease is the lease of a call, which must be ready.
func (l *lab) readyLease(c call) (*nfcLease, *refusal) {
	lease, no := l.leaseOf(c)
	if no != nil {
		return nil, no
	}
	l.checkLease(lease)
	lease.mu.Lock()
	late := lease.timedOut
	lease.mu.Unlock()
	if late {
		return nil, refuse("nfc-lease", &types.Timedout{}, "The import of %s timed out.", lease.name)
	}
	if state := lease.state(l); state != types.HttpNfcLeaseStateReady {
		return nil, refuse("nfc-lease", &types.InvalidState{}, "The import of %s is %s.", lease.name, state)
	}
	return lease, nil
}

// leaseProgress keeps a lease for another leaseTimeout seconds.
func (l *lab) leaseProgress(c call) (interface{}, *refusal) {
	var req types.HttpNfcLeaseProgress
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	lease, no := l.readyLease(c)
	if no != nil {
		return nil, no
	}
	if req.Percent < 0 || req.Percent > 100 {
		return nil, refuse("nfc-lease", invalidArgument("percent"), "%d percent.", req.Percent)
	}
	lease.mu.Lock()
	lease.deadline = time.Now().Add(l.leaseTimeout)
	lease.mu.Unlock()
	l.update(lease, set("transferProgress", req.Percent))
	return &types.HttpNfcLeaseProgressResponse{}, nil
}

// leaseManifest tells what arrived, disk by disk.
func (l *lab) leaseManifest(c call) (interface{}, *refusal) {
	lease, no := l.readyLease(c)
	if no != nil {
		return nil, no
	}
	res := &types.HttpNfcLeaseGetManifestResponse{}
	lease.mu.Lock()
	defer lease.mu.Unlock()
	for _, f := range lease.files {
		if f.sha1 != "" {
			res.Returnval = append(res.Returnval, types.HttpNfcLeaseManifestEntry{
				Key: f.key, Sha1: f.sha1, Size: f.size, Disk: true, Capacity: f.capacity,
			})
		}
	}
	return res, nil
}

func (l *lab) leaseComplete(c call) (interface{}, *refusal) {
	lease, no := l.readyLease(c)
	if no != nil {
		return nil, no
	}
	lease.mu.Lock()
	sending := lease.sending
	lease.mu.Unlock()
	if sending > 0 {
		return nil, refuse("nfc-lease", &types.InvalidState{}, "A disk of %s is still on its way.", lease.name)
	}
	if !l.leave(lease, types.HttpNfcLeaseStateReady, types.HttpNfcLeaseStateDone, nil) {
		return nil, refuse("nfc-lease", &types.InvalidState{}, "The import of %s is over.", lease.name)
	}
	l.release(lease.vm)
	return &types.HttpNfcLeaseCompleteResponse{}, nil
}

func (l *lab) leaseAbort(c call) (interface{}, *refusal) {
	var req types.HttpNfcLeaseAbort
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	lease, no := l.readyLease(c)
	if no != nil {
		return nil, no
	}
	why := &refusal{fault: &types.RequestCanceled{}, message: "The import was aborted by its client."}
	if req.Fault != nil && req.Fault.Fault != nil {
		why = &refusal{fault: req.Fault.Fault, message: req.Fault.LocalizedMessage}
	}
	l.failLease(lease, why)
	return &types.HttpNfcLeaseAbortResponse{}, nil
}
