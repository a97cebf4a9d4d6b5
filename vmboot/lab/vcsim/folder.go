package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

const (
	folderPrefix = "/folder/"
	nfcPrefix    = "/nfc/"
)

// serveFolder is the vCenter's file access over HTTP.
func (l *lab) serveFolder(w http.ResponseWriter, r *http.Request) {
	method := "Folder" + r.Method
	l.counters.count(method)
	l.delay.sleep()
	key, user := l.identify(r)
	fault := l.faults.take(method, "", uploadKinds)
	if fault != nil && fault.Kind == "not-authenticated" {
		l.sessions.drop(key)
		user = ""
	}
	if user == "" {
		l.note(refuse("folder-session", &types.NotAuthenticated{}, "/folder without a session"))
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "401 Unauthorized", http.StatusUnauthorized)
		return
	}
	name, file, no := l.folderTarget(r)
	if no != nil {
		l.refuseHTTP(w, no)
		return
	}
	switch r.Method {
	case http.MethodPut, http.MethodPost:
		l.upload(w, r, name, file, fault)
	case http.MethodGet, http.MethodHead:
		l.download(w, r, name, file)
	case http.MethodDelete:
		if no := l.deleteByName(name); no != nil {
			l.refuseHTTP(w, no)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// folderTarget finds datacenter, datastore and file of a request.
func (l *lab) folderTarget(r *http.Request) (name, file string, no *refusal) {
	query := r.URL.Query()
	dc := strings.Trim(query.Get("dcPath"), "/")
	if dc != "" && dc != entityName(l.datacenter()) {
		return "", "", refuse("file-missing", &types.NotFound{}, "There is no datacenter %q.", dc)
	}
	name = fmt.Sprintf("[%s] %s", query.Get("dsName"), strings.TrimPrefix(r.URL.Path, folderPrefix))
	file, no = l.filePlace(name)
	return name, file, no
}

// refuseHTTP answers with the status that fits a fault.
func (l *lab) refuseHTTP(w http.ResponseWriter, no *refusal) {
	l.note(no)
	status := http.StatusInternalServerError
	switch no.fault.(type) {
	case *types.FileNotFound, *types.InvalidDatastore, *types.NotFound, *types.InvalidDatastorePath:
		status = http.StatusNotFound
	case *types.NoPermission:
		status = http.StatusForbidden
	case *types.NotAuthenticated:
		status = http.StatusUnauthorized
	case *types.FileAlreadyExists:
		status = http.StatusConflict
	case *types.NoDiskSpace:
		status = http.StatusInsufficientStorage
	case *types.InvalidRequest:
		status = http.StatusBadRequest
	}
	http.Error(w, no.message, status)
}

// upload keeps a file only when all of it came.
func (l *lab) upload(w http.ResponseWriter, r *http.Request, name, file string, fault *faultRule) {
	if no := l.checkUpload(r, name, file); no != nil {
		l.refuseHTTP(w, no)
		return
	}
	if fault != nil && fault.Kind != "truncate-upload" && fault.Kind != "drop-connection" {
		l.refuseHTTP(w, fault.refusal(l.dc))
		return
	}
	_, statErr := os.Stat(file)
	use := l.fileUse(file)
	size := r.ContentLength
	body := io.Reader(r.Body)
	if fault != nil {
		if fault.Bytes == 0 {
			fault.Bytes = size / 2
		}
		body = io.LimitReader(body, fault.Bytes)
		size = fault.Bytes
	}
	n, err := l.receive(body, file, size, fault != nil && fault.Kind == "drop-connection")
	l.counters.uploaded(n)
	switch {
	case fault != nil && fault.Kind == "drop-connection":
		dropConnection(w)
		return
	case err != nil:
		l.refuseHTTP(w, refuse("upload-length", &types.InvalidRequest{}, "%v", err))
		return
	case fault != nil:
		_, _ = io.Copy(io.Discard, r.Body)
	}
	l.giveBack(r.URL.Query().Get("dsName"), use-l.fileUse(file))
	if statErr == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (l *lab) checkUpload(r *http.Request, name, file string) *refusal {
	if r.ContentLength < 0 {
		return refuse("upload-length", &types.InvalidRequest{}, "An upload needs a Content-Length.")
	}
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return refuse("file-exists", &types.FileAlreadyExists{}, "%s is a directory.", name)
	case err == nil && r.Method == http.MethodPost:
		return refuse("file-exists", &types.FileAlreadyExists{}, "%s exists.", name)
	case err == nil:
		if no := l.checkNotOpen(name); no != nil {
			return no
		}
	}
	if isExtent(file) && l.isObjectStore(r.URL.Query().Get("dsName")) {
		return refuse("flat-addressable", fileNotFound(name), "The extents of this datastore have no path.")
	}
	if no := l.checkTop(name, cannotMake(name)); no != nil {
		return no
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return refuse("upload-directory", fileNotFound(name), "The directory of %s is missing.", name)
	}
	return l.checkSpace(r.URL.Query().Get("dsName"), r.ContentLength)
}

// receive writes a body beside the datastore and moves it in when complete.
func (l *lab) receive(body io.Reader, file string, size int64, discard bool) (int64, error) {
	part, err := os.CreateTemp(l.home, "upload-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(part.Name())
	n, err := io.Copy(part, body)
	if closing := part.Close(); err == nil {
		err = closing
	}
	switch {
	case err != nil:
		return n, err
	case discard:
		return n, nil
	case n != size:
		return n, errors.New("the upload ended early")
	}
	return n, os.Rename(part.Name(), file)
}

func (l *lab) download(w http.ResponseWriter, r *http.Request, name, file string) {
	info, err := os.Stat(file)
	if isExtent(file) && l.isObjectStore(r.URL.Query().Get("dsName")) {
		l.refuseHTTP(w, refuse("flat-addressable", fileNotFound(name), "The extents of this datastore have no path."))
		return
	}
	if err != nil || info.IsDir() {
		l.refuseHTTP(w, refuse("file-missing", fileNotFound(name), "File %s was not found.", name))
		return
	}
	f, err := os.Open(file)
	if err != nil {
		l.refuseHTTP(w, refuse("file-missing", fileNotFound(name), "%v", err))
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, path.Base(file), info.ModTime(), f)
}

// isoStub is a small file with the volume descriptor of an ISO 9660 image.
func isoStub(label string) []byte {
	b := make([]byte, 18*2048)
	copy(b[16*2048:], "\x01CD001\x01\x00")
	copy(b[16*2048+40:], bytes.ToUpper([]byte(fmt.Sprintf("%-32.32s", label))))
	copy(b[17*2048:], "\xffCD001\x01")
	return b
}
