package main

import (
	"io"
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// faultRule is a fault to inject, as the control API takes it.
//
//	task-fails         the task starts, then ends in error
//	slow-task          the task takes ms longer
//	fault              the call is answered with a fault
//	not-authenticated  the session ends and the call is answered so
//	no-permission      the call is answered with NoPermission for privilege
//	drop-connection    the connection closes; when "after": the call was done
//	truncate-upload    an upload keeps only its first bytes, yet is answered 201
//	disk-full          an upload or a task meets a full datastore
//	ignored            the call is answered well, and nothing happens
type faultRule struct {
	Method    string `json:"method"`    // API method, FolderPUT ..., or "" for any
	VM        string `json:"vm"`        // name of the VM, or "" for any
	Kind      string `json:"kind"`      //
	After     int    `json:"after"`     // matches to let pass first
	Count     int    `json:"count"`     // times to strike; 0 means once, -1 always
	MS        int    `json:"ms"`        // of slow-task
	Bytes     int64  `json:"bytes"`     // of truncate-upload and drop-connection
	Fault     string `json:"fault"`     // name of the fault type
	Message   string `json:"message"`   //
	Privilege string `json:"privilege"` // of no-permission
	When      string `json:"when"`      // of drop-connection: "before" or "after"
	Struck    int    `json:"struck"`    // how often it struck so far
}

var (
	immediateKinds = map[string]bool{
		"fault": true, "not-authenticated": true, "drop-connection": true,
		"no-permission": true, "ignored": true,
	}
	taskKinds   = map[string]bool{"task-fails": true, "slow-task": true, "disk-full": true}
	uploadKinds = map[string]bool{
		"truncate-upload": true, "drop-connection": true, "disk-full": true,
		"not-authenticated": true, "fault": true, "no-permission": true,
	}
)

func knownKind(kind string) bool {
	return immediateKinds[kind] || taskKinds[kind] || uploadKinds[kind]
}

type faultTable struct {
	mu    sync.Mutex
	rules []*faultRule
}

func (t *faultTable) add(r faultRule) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Count == 0 {
		r.Count = 1
	}
	t.rules = append(t.rules, &r)
}

func (t *faultTable) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rules = nil
}

func (t *faultTable) list() []faultRule {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []faultRule{}
	for _, r := range t.rules {
		out = append(out, *r)
	}
	return out
}

// take returns a copy of the rule that strikes this call, if any.
func (t *faultTable) take(method, vm string, kinds map[string]bool) *faultRule {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rules {
		if !kinds[r.Kind] || r.Count == 0 ||
			r.Method != "" && r.Method != method || r.VM != "" && r.VM != vm {
			continue
		}
		if r.After > 0 {
			r.After--
			continue
		}
		if r.Count > 0 {
			r.Count--
		}
		r.Struck++
		strike := *r
		return &strike
	}
	return nil
}

// refusal is the fault that a rule answers with.
func (r *faultRule) refusal(entity types.ManagedObjectReference) *refusal {
	message := r.Message
	if message == "" {
		message = "Injected by the lab: " + r.Kind
	}
	var fault types.BaseMethodFault
	switch r.Kind {
	case "disk-full":
		fault = &types.NoDiskSpace{Datastore: "lab"}
	case "no-permission":
		no := noPermission(entity, r.Privilege)
		fault = &no
	case "not-authenticated":
		fault = &types.NotAuthenticated{NoPermission: noPermission(entity, "System.View")}
	default:
		fault = namedFault(r.Fault)
	}
	return &refusal{fault: fault, message: message}
}

// namedFault makes an empty fault of a type; GenericVmConfigFault by default.
func namedFault(name string) types.BaseMethodFault {
	if name != "" {
		if kind, ok := types.TypeFunc()(name); ok {
			if fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault); ok {
				if busy, ok := fault.(*types.TaskInProgress); ok { // a reference may not be empty
					busy.Task = types.ManagedObjectReference{Type: "Task", Value: "task-0"}
				}
				return fault
			}
		}
	}
	return genericVMFault("injected by the lab")
}

// inject answers a call with an immediate fault.
func (l *lab) inject(w http.ResponseWriter, r *http.Request, c call, f *faultRule) {
	switch f.Kind {
	case "drop-connection":
		if f.When == "after" {
			l.answer(&sink{header: http.Header{}}, r, c)
		}
		dropConnection(w)
	case "ignored":
		if response := emptyResponse(c.name); response != nil {
			w.Header().Set("Content-Type", "text/xml; charset=utf-8")
			_, _ = w.Write(encodeResponse(response))
			return
		}
		writeFault(w, c, &types.NotSupported{}, "")
	default:
		if f.Kind == "not-authenticated" {
			l.sessions.drop(c.key)
		}
		no := f.refusal(c.this)
		l.note(no)
		writeFault(w, c, no.fault, no.message)
	}
}

// emptyResponse makes the answer type of a method without a result.
func emptyResponse(method string) interface{} {
	kind, ok := types.TypeFunc()(method + "Response")
	if !ok {
		switch method {
		case "ShutdownGuest":
			return &types.ShutdownGuestResponse{}
		case "AnswerVM":
			return &types.AnswerVMResponse{}
		case "MarkAsTemplate":
			return &types.MarkAsTemplateResponse{}
		case "MarkAsVirtualMachine":
			return &types.MarkAsVirtualMachineResponse{}
		}
		return nil
	}
	return reflect.New(kind).Interface()
}

// dropConnection closes the client's connection without an answer.
func dropConnection(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.SetDeadline(time.Now())
	_ = conn.Close()
}

// sink swallows an answer whose connection is about to drop.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return io.Discard.Write(p) }
func (s *sink) WriteHeader(int)             {}
