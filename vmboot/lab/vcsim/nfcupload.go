package main

import (
	"crypto/sha1"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// serveNFC takes the disks of an import and keeps their bytes.  The ticket in
// the URL stands for the session, as on a host.
func (l *lab) serveNFC(w http.ResponseWriter, r *http.Request) {
	method := "Nfc" + r.Method
	l.counters.count(method)
	l.delay.sleep()
	lease, file := l.leaseFile(r.URL.Path)
	name := ""
	if lease != nil {
		name = lease.name
	}
	fault := l.faults.take(method, name, uploadKinds)
	switch {
	case lease == nil || file == nil:
		l.refuseHTTP(w, refuse("nfc-lease", &types.NotFound{}, "There is no such lease or disk."))
	case fault != nil && fault.Kind == "drop-connection" && fault.Bytes == 0:
		dropConnection(w)
	case fault != nil && fault.Kind != "truncate-upload" && fault.Kind != "drop-connection":
		l.spoil(w, lease, fault.refusal(lease.vm))
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		l.receiveDisk(w, r, lease, file, fault)
	}
}

// leaseFile finds a ready lease and its disk by /nfc/<ticket>/<name>.
func (l *lab) leaseFile(url string) (*nfcLease, *leaseFile) {
	parts := strings.Split(strings.TrimPrefix(url, nfcPrefix), "/")
	if len(parts) != 2 {
		return nil, nil
	}
	l.mu.Lock()
	lease := l.leases[parts[0]]
	l.mu.Unlock()
	if lease == nil {
		return nil, nil
	}
	l.checkLease(lease)
	if lease.state(l) != types.HttpNfcLeaseStateReady {
		return nil, nil
	}
	for _, f := range lease.files {
		if f.name == parts[1] {
			return lease, f
		}
	}
	return lease, nil
}

// spoil ends the lease in error and tells the uploader.
func (l *lab) spoil(w http.ResponseWriter, lease *nfcLease, no *refusal) {
	l.failLease(lease, no)
	status := http.StatusInternalServerError
	if _, full := no.fault.(*types.NoDiskSpace); full {
		status = http.StatusInsufficientStorage
	}
	http.Error(w, no.message, status)
}

func (lease *nfcLease) transfer(n int) {
	lease.mu.Lock()
	defer lease.mu.Unlock()
	lease.sending += n
}

// receiveDisk decodes one upload beside the datastore and then puts it below
// the disk.
func (l *lab) receiveDisk(w http.ResponseWriter, r *http.Request, lease *nfcLease, f *leaseFile, fault *faultRule) {
	lease.transfer(1)
	defer lease.transfer(-1)
	part, err := os.CreateTemp(l.home, "nfc-")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer os.Remove(part.Name())
	defer part.Close()
	sum := &tally{hash: sha1.New()}
	body := io.TeeReader(cut(r, fault), sum)
	err = part.Truncate(f.capacity)
	if err == nil {
		err = decodeStream(body, part, f.capacity)
	}
	switch {
	case fault != nil && fault.Kind == "drop-connection":
		dropConnection(w)
		return
	case fault != nil: // a cut upload that the host takes for a whole one
		_, _ = io.Copy(io.Discard, r.Body)
	case err != nil:
		_, _ = io.Copy(io.Discard, r.Body) // so that the client gets to read the answer
		l.spoil(w, lease, refuse("nfc-stream", &types.InvalidDiskFormat{}, "%s: %v.", f.name, err))
		return
	}
	if no := l.keepUpload(lease, f, part.Name(), sum); no != nil {
		l.spoil(w, lease, no)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// cut is the body as far as a fault lets it come.
func cut(r *http.Request, fault *faultRule) io.Reader {
	if fault == nil {
		return r.Body
	}
	n := fault.Bytes
	if n == 0 {
		n = r.ContentLength / 2
	}
	return io.LimitReader(r.Body, n)
}

// tally hashes and counts what passes.
type tally struct {
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
	n int64
}

func (t *tally) Write(p []byte) (int, error) {
	t.n += int64(len(p))
	return t.hash.Write(p)
}

// keepUpload takes the space and replaces the disk's extent.
func (l *lab) keepUpload(lease *nfcLease, f *leaseFile, part string, sum *tally) *refusal {
	_, file, fault := l.parseDatastorePath(f.disk)
	if fault != nil {
		return &refusal{fault: fault}
	}
	flat := l.extentsOf(file)[0]
	if isThin(file) {
		if no := l.reserve(l.datastoreOf(f.disk), allocated(part)-allocated(flat)); no != nil {
			return no
		}
	}
	if lease.state(l) != types.HttpNfcLeaseStateReady {
		return refuse("nfc-lease", &types.InvalidState{}, "The import of %s is over.", lease.name)
	}
	if err := os.Rename(part, flat); err != nil {
		return cannotCreate(f.disk, err)
	}
	lease.mu.Lock()
	defer lease.mu.Unlock()
	f.sha1, f.size = hex.EncodeToString(sum.hash.Sum(nil)), sum.n
	return nil
}
