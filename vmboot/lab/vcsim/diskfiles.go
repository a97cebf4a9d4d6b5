package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// Disk files: a descriptor and a sparse flat extent, as on VMFS.

const descriptor = `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=ffffffff
createType="vmfs"

# Extent description
RW %d VMFS "%s"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.virtualHWVersion = "13"
`

// thinLine is how a descriptor says that its extent is thin.
const thinLine = `ddb.thinProvisioned = "1"`

const sector = 512

func flatName(name string) string {
	return strings.TrimSuffix(name, path.Ext(name)) + flatEnd
}

// writeDisk makes a disk without any data in it.
func (l *lab) writeDisk(name string, capacity int64, thin bool) error {
	_, file, fault := l.parseDatastorePath(name)
	if fault != nil {
		return fmt.Errorf("%s: no such datastore", name)
	}
	_, err := l.writeDiskFiles(name, file, capacity, thin)
	return err
}

// writeDiskFiles writes descriptor and extent, and returns where that is.
func (l *lab) writeDiskFiles(name, file string, capacity int64, thin bool) (string, error) {
	extent, written := l.newExtent(name, file)
	text := fmt.Sprintf(descriptor, capacity/sector, written)
	if thin {
		text += thinLine + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(extent, nil, 0o600); err != nil {
		return "", err
	}
	return extent, os.Truncate(extent, capacity)
}

// removeDisk deletes descriptor and extents, and gives their space back.
func (l *lab) removeDisk(name string) error {
	p, file, fault := l.parseDatastorePath(name)
	if fault != nil {
		return nil
	}
	freed := int64(0)
	for _, part := range l.extentsOf(file) {
		freed += extentUse(part, isThin(file))
		_ = os.Remove(part)
	}
	err := os.Remove(file)
	l.giveBack(p.Datastore, freed)
	return err
}

var extent = regexp.MustCompile(`^RW (\d+) \S+ "([^"]+)"`)

// extentsOf lists the extents that a descriptor names.
func (l *lab) extentsOf(file string) []string {
	var found []string
	for _, line := range strings.Split(descriptorText(file), "\n") {
		if m := extent.FindStringSubmatch(line); m != nil {
			found = append(found, l.extentFile(file, m[2]))
		}
	}
	return found
}

// extentFile is the extent that a descriptor calls written.
func (l *lab) extentFile(descriptor, written string) string {
	if strings.HasPrefix(written, objectScheme) {
		return filepath.Join(l.objectsDir(), path.Base(written))
	}
	return filepath.Join(filepath.Dir(descriptor), filepath.Base(written))
}

// descriptorText is the text of a descriptor, "" when file is none.
func descriptorText(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	head, _ := bufio.NewReader(io.LimitReader(f, 1<<16)).Peek(1 << 12)
	if !strings.HasPrefix(string(head), "# Disk DescriptorFile") {
		return ""
	}
	return string(head)
}

// checkDescriptor reads the capacity of an existing disk, or says why it is
// none.
func (l *lab) checkDescriptor(name, file string) (int64, *refusal) {
	if info, err := os.Stat(file); err != nil || info.IsDir() {
		return 0, refuse("disk-exists", fileNotFound(name), "File %s was not found.", name)
	}
	bad := &types.InvalidDiskFormat{}
	text := descriptorText(file)
	if text == "" {
		return 0, refuse("disk-valid", bad, "Unsupported or invalid disk type: %s has no descriptor.", name)
	}
	var capacity int64
	for _, line := range strings.Split(text, "\n") {
		m := extent.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		sectors, _ := strconv.ParseInt(m[1], 10, 64)
		info, err := os.Stat(l.extentFile(file, m[2]))
		if err != nil {
			return 0, refuse("disk-valid", fileNotFound(m[2]), "Extent %s of %s is missing.", m[2], name)
		}
		if info.Size() < sectors*sector {
			return 0, refuse("disk-valid", bad, "Extent %s of %s is too short.", m[2], name)
		}
		capacity += sectors * sector
	}
	if capacity == 0 {
		return 0, refuse("disk-valid", bad, "%s has no extents.", name)
	}
	return capacity, nil
}
