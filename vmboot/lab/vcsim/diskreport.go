package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// diskEntry is one VMDK of a datastore, as the control API shows it.
type diskEntry struct {
	Capacity  int64    `json:"capacity"`
	Allocated int64    `json:"allocated"`
	Thin      bool     `json:"thin"`
	Digest    string   `json:"digest"`   // of its bytes; the same for the same bytes and size
	Attached  []string `json:"attached"` // VMs that have it, or a child of it
	Policy    string   `json:"policy"`
}

// diskReport lists every disk that has a valid descriptor, by its path.
func (l *lab) diskReport([]byte) (interface{}, error) {
	out := map[string]diskEntry{}
	for name, place := range l.places {
		root := place.dir
		err := filepath.Walk(root, func(file string, info os.FileInfo, err error) error {
			if err != nil || info.IsDir() || filepath.Ext(file) != ".vmdk" || isExtent(file) {
				return nil
			}
			relative, _ := filepath.Rel(root, file)
			disk := fmt.Sprintf("[%s] %s", name, filepath.ToSlash(relative))
			if capacity, no := checkDescriptor(disk, file); no == nil {
				out[disk] = l.describeDisk(disk, file, capacity)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (l *lab) describeDisk(disk, file string, capacity int64) diskEntry {
	e := diskEntry{Capacity: capacity, Thin: isThin(flatName(file)), Attached: []string{}}
	hash := sha256.New()
	for _, part := range extentsOf(file) {
		e.Allocated += allocated(part)
		digestData(hash, part)
	}
	fmt.Fprintf(hash, "%d", capacity)
	e.Digest = hex.EncodeToString(hash.Sum(nil))
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref, o := range l.open {
		if o.hasDisk(func(name string) bool { return name == disk }) {
			e.Attached = append(e.Attached, o.name)
		}
		if id, ok := l.policies[ref][disk]; ok {
			e.Policy = id
		}
	}
	return e
}

// digestData hashes the sectors that are not zero, each with its number, so
// that holes and written zeros are the same.
func digestData(hash io.Writer, file string) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	buffer, zero := make([]byte, block), make([]byte, sector)
	for at := int64(0); ; {
		start, err := f.Seek(at, seekData)
		if err != nil {
			return
		}
		at = start / sector * sector
		n, _ := f.ReadAt(buffer, at)
		for i := 0; i < n; i += sector {
			end := i + sector
			if end > n {
				end = n
			}
			if !bytes.Equal(buffer[i:end], zero[:end-i]) {
				_ = binary.Write(hash, binary.BigEndian, at/sector+int64(i/sector))
				_, _ = hash.Write(buffer[i:end])
			}
		}
		at += int64(n)
		if n == 0 {
			return
		}
	}
}

var parentHint = regexp.MustCompile(`(?m)^parentFileNameHint="([^"]+)"`)

// parentBacking is the backing of the disk that a child names as its parent.
func (l *lab) parentBacking(name string) *types.VirtualDiskFlatVer2BackingInfo {
	p, file, fault := l.parseDatastorePath(name)
	if fault != nil {
		return nil
	}
	m := parentHint.FindStringSubmatch(descriptorText(file))
	if m == nil {
		return nil
	}
	parent := m[1]
	if !strings.HasPrefix(parent, "[") {
		p.Path = filepath.ToSlash(filepath.Join(filepath.Dir(p.Path), parent))
		parent = p.String()
	}
	ref := l.places[l.datastoreOf(parent)].ref
	return &types.VirtualDiskFlatVer2BackingInfo{
		VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: parent, Datastore: &ref},
		DiskMode:                     string(types.VirtualDiskModePersistent),
		ThinProvisioned:              types.NewBool(true),
		Uuid:                         fixedUUID("disk", parent),
		Parent:                       l.parentBacking(parent),
	}
}
