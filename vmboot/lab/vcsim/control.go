package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// control is the HTTP server that tests steer the lab with.  Every request
// carries the token of the ready line as a bearer token.
type control struct {
	url    string
	token  string
	server *http.Server
}

// endpoint answers one request of the control API.
type endpoint func(l *lab, body []byte) (interface{}, error)

var endpoints = map[string]endpoint{
	"GET /status":          (*lab).statusReport,
	"GET /counters":        func(l *lab, _ []byte) (interface{}, error) { return l.counters.report(), nil },
	"POST /counters/reset": func(l *lab, _ []byte) (interface{}, error) { l.counters.reset(); return done, nil },
	"GET /faults":          func(l *lab, _ []byte) (interface{}, error) { return l.faults.list(), nil },
	"POST /faults":         (*lab).addFault,
	"DELETE /faults":       func(l *lab, _ []byte) (interface{}, error) { l.faults.clear(); return done, nil },
	"GET /rules":           (*lab).ruleReport,
	"POST /privileges":     (*lab).withholdPrivileges,
	"DELETE /privileges":   func(l *lab, _ []byte) (interface{}, error) { l.privileges.grantAll(); return done, nil },
	"POST /edit":           (*lab).editBehindBack,
	"POST /session/expire": func(l *lab, _ []byte) (interface{}, error) {
		return map[string]int{"expired": l.sessions.dropAll()}, nil
	},
	"POST /datastore": (*lab).editDatastore,
	"POST /host":      (*lab).editHost,
	"POST /delays":    (*lab).setDelays,
	"POST /switches":  (*lab).setSwitches,
	"GET /disks":      (*lab).diskReport,
	"POST /stop":      func(l *lab, _ []byte) (interface{}, error) { l.stop(); return done, nil },
}

var done = map[string]bool{"ok": true}

func startControl(l *lab) (*control, error) {
	listener, err := net.Listen("tcp", l.controlAddress)
	if err != nil {
		return nil, err
	}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		listener.Close()
		return nil, fmt.Errorf("--control %s: not a loopback address", l.controlAddress)
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	c := &control{url: "http://" + listener.Addr().String(), token: hex.EncodeToString(secret)}
	c.server = &http.Server{
		Handler: c.guard(l), ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

func (c *control) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.server.Shutdown(ctx)
}

func (c *control) guard(l *lab) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		given := r.Header.Get("Authorization")
		if subtle.ConstantTimeCompare([]byte(given), []byte("Bearer "+c.token)) != 1 {
			reply(w, http.StatusUnauthorized, map[string]string{"error": "the token is missing or wrong"})
			return
		}
		run, ok := endpoints[r.Method+" "+r.URL.Path]
		if !ok {
			reply(w, http.StatusNotFound, map[string]string{"error": r.Method + " " + r.URL.Path + ": no such endpoint"})
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			var answer interface{}
			if answer, err = run(l, body); err == nil {
				reply(w, http.StatusOK, answer)
				return
			}
		}
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	})
}

func reply(w http.ResponseWriter, status int, answer interface{}) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// parse decodes a request and refuses unknown keys: a misspelt fault that
// never strikes would make a test pass for the wrong reason.
func parse(body []byte, into interface{}) error {
	d := json.NewDecoder(bytesReader(body))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (l *lab) statusReport([]byte) (interface{}, error) {
	return map[string]interface{}{
		"vms": len(l.allVMs()), "sessions": l.sessions.count(),
		"capabilities": capabilities, "govmomi": govmomiRelease,
	}, nil
}

func (l *lab) addFault(body []byte) (interface{}, error) {
	var r faultRule
	if err := parse(body, &r); err != nil {
		return nil, err
	}
	if !knownKind(r.Kind) {
		return nil, fmt.Errorf("kind %q: no such fault", r.Kind)
	}
	if r.VM != "" && !l.knowsVM(r.VM) {
		return nil, fmt.Errorf("vm %q: no such virtual machine", r.VM)
	}
	l.faults.add(r)
	return done, nil
}

func (l *lab) knowsVM(name string) bool {
	for _, vm := range l.allVMs() {
		if vm.Name == name {
			return true
		}
	}
	return false
}

func (l *lab) ruleReport([]byte) (interface{}, error) {
	type entry struct {
		rule
		Refused int `json:"refused"`
	}
	out := []entry{}
	for _, r := range ruleBook {
		out = append(out, entry{r, l.rules.get(r.Name)})
	}
	return out, nil
}

func (l *lab) withholdPrivileges(body []byte) (interface{}, error) {
	var req struct {
		Entity  string   `json:"entity"`
		Missing []string `json:"missing"`
	}
	if err := parse(body, &req); err != nil {
		return nil, err
	}
	if _, err := l.find(req.Entity); err != nil {
		return nil, err
	}
	l.privileges.withhold(req.Entity, req.Missing)
	return done, nil
}

func (l *lab) setDelays(body []byte) (interface{}, error) {
	var req struct {
		DelayMS *int `json:"delay_ms"`
		TaskMS  *int `json:"task_ms"`
	}
	if err := parse(body, &req); err != nil {
		return nil, err
	}
	if req.DelayMS != nil {
		l.delay.set(*req.DelayMS)
	}
	if req.TaskMS != nil {
		l.task.set(*req.TaskMS)
		setTaskDelay(*req.TaskMS)
	}
	return done, nil
}
