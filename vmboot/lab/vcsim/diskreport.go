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
	"sort"
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
	holders := l.holders()
	for name, place := range l.places {
		root := place.dir
		err := filepath.Walk(root, func(file string, info os.FileInfo, err error) error {
			if err != nil || info.IsDir() || filepath.Ext(file) != ".vmdk" || isExtent(file) {
				return nil
			}
			relative, _ := filepath.Rel(root, file)
			disk := fmt.Sprintf("[%s] %s", name, filepath.ToSlash(relative))
			if capacity, no := l.checkDescriptor(disk, file); no == nil {
				out[disk] = l.describeDisk(file, capacity, holders[disk])
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// holder is what the lab knows of a disk beside its files.
type holder struct {
	vms    []string
	policy string
}

func (l *lab) holders() map[string]holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]holder{}
	for ref, o := range l.open {
		seen := map[string]bool{}
		for _, disk := range o.disks {
			h := out[disk]
			if !seen[disk] {
				h.vms = append(h.vms, o.name)
			}
			if id, ok := l.policies[ref][disk]; ok {
				h.policy = id
			}
			seen[disk], out[disk] = true, h
		}
	}
	return out
}

func (l *lab) describeDisk(file string, capacity int64, by holder) diskEntry {
	e := diskEntry{
		Capacity: capacity, Thin: isThin(file), Attached: append([]string{}, by.vms...), Policy: by.policy,
	}
	sort.Strings(e.Attached)
	hash := sha256.New()
	for _, part := range l.extentsOf(file) {
		e.Allocated += allocated(part)
		digestData(hash, part)
	}
	fmt.Fprintf(hash, "%d", capacity)
	e.Digest = hex.EncodeToString(hash.Sum(nil))
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
	for at := int64(0); ; {
		start, err := f.Seek(at, seekData)
		if err != nil {
			return
		}
		end, err := f.Seek(start, seekHole)
		if err != nil {
			return
		}
		at = digestRange(hash, f, start/sector*sector, end)
	}
}

// digestRange hashes from at, a whole sector, to end or a little further, and
// returns how far it came.
func digestRange(hash io.Writer, f io.ReaderAt, at, end int64) int64 {
	zero, buffer := make([]byte, sector), make([]byte, 64<<10)
	for at < end {
		want := len(buffer)
		if left := (end - at + sector - 1) / sector * sector; left < int64(want) {
			want = int(left)
		}
		n, _ := f.ReadAt(buffer[:want], at)
		if n == 0 {
			return end
		}
		for i := 0; i < n; i += sector {
			part := buffer[i:n]
			if len(part) > sector {
				part = part[:sector]
			}
			if !bytes.Equal(part, zero[:len(part)]) {
				_ = binary.Write(hash, binary.BigEndian, at/sector+int64(i/sector))
				_, _ = hash.Write(part)
			}
		}
		at += int64(n)
	}
	return at
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
