package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Free space of the datastores.  A thin disk takes what is allocated, a thick
// one its capacity, any other file its size, all in blocks of 1 MiB as on
// VMFS; files below 64 KiB take nothing.  The disks that the lab starts with
// were paid before.

const (
	block     = 1 << 20
	smallFile = 64 << 10
)

func blocks(n int64) int64 { return (n + block - 1) / block * block }

// fileUse is what a file of a datastore takes.
func (l *lab) fileUse(file string) int64 {
	info, err := os.Stat(file)
	if err != nil || info.IsDir() {
		return 0
	}
	if isExtent(file) {
		return extentUse(file, isThin(descriptorOf(file)))
	}
	total := int64(0)
	for _, object := range l.objectsOf(file) {
		total += extentUse(object, isThin(file))
	}
	if info.Size() >= smallFile {
		total += blocks(info.Size())
	}
	return total
}

// extentUse is what the extent of a disk takes.
func extentUse(file string, thin bool) int64 {
	if thin {
		return allocated(file)
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return blocks(info.Size())
}

// treeUse is what a file, or everything below a directory, takes.
func (l *lab) treeUse(path string) int64 {
	total := int64(0)
	_ = filepath.Walk(path, func(name string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			total += l.fileUse(name)
		}
		return nil
	})
	return total
}

const flatEnd = "-flat.vmdk"

var extentEnd = regexp.MustCompile(`-(flat|delta|rdmp?|sesparse)\.vmdk$`)

func isExtent(file string) bool { return extentEnd.MatchString(file) }

// descriptorOf is the descriptor beside an extent.
func descriptorOf(extent string) string { return extentEnd.ReplaceAllString(extent, ".vmdk") }

// isThin reads from a descriptor how the disk is provisioned.
func isThin(file string) bool {
	text, _ := os.ReadFile(file)
	return strings.Contains(string(text), thinLine)
}

// allocated counts the blocks of a file in which something was written.
func allocated(file string) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	total, counted := int64(0), int64(0) // counted: end of the last block
	for at := int64(0); ; {
		start, err := f.Seek(at, seekData)
		if err != nil {
			return total
		}
		end, err := f.Seek(start, seekHole)
		if err != nil {
			end, _ = f.Seek(0, io.SeekEnd)
		}
		first := start / block * block
		if first < counted {
			first = counted
		}
		if last := blocks(end); last > first {
			total += last - first
			counted = last
		}
		at = end
	}
}

// reserve takes n bytes of a datastore, or refuses when it has not as many.
func (l *lab) reserve(datastore string, n int64) (no *refusal) {
	ds := l.datastore(datastore)
	if ds == nil || n <= 0 {
		return nil
	}
	l.locked(ds, func(ctx *simulator.Context) {
		if no = l.checkSpace(datastore, n); no == nil {
			l.setFree(ctx, ds, ds.Summary.FreeSpace-n)
		}
	})
	return no
}

// giveBack returns n bytes to a datastore; a negative n takes them.
func (l *lab) giveBack(datastore string, n int64) {
	ds := l.datastore(datastore)
	if ds == nil || n == 0 {
		return
	}
	l.locked(ds, func(ctx *simulator.Context) { l.setFree(ctx, ds, ds.Summary.FreeSpace+n) })
}

func (l *lab) setFree(ctx *simulator.Context, ds *simulator.Datastore, free int64) {
	if free < 0 {
		free = 0
	}
	if free > ds.Summary.Capacity {
		free = ds.Summary.Capacity
	}
	ds.Info.GetDatastoreInfo().FreeSpace = free
	updateObject(ctx, l.reg, ds, []types.PropertyChange{set("summary.freeSpace", free)})
}

// datastoreOf is the datastore of "[datastore] path".
func (l *lab) datastoreOf(name string) string {
	p, _, _ := l.parseDatastorePath(name)
	return p.Datastore
}
