package main

import (
	"sync"
	"time"
)

// sessionTable knows who is logged in.  The simulator has a table of its own;
// this one decides.
type sessionTable struct {
	mu      sync.Mutex
	idle    time.Duration
	entries map[string]*sessionEntry
}

type sessionEntry struct {
	user string
	last time.Time
}

func (t *sessionTable) init(idle time.Duration) {
	t.idle = idle
	t.entries = map[string]*sessionEntry{}
}

func (t *sessionTable) add(key, user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries[key] = &sessionEntry{user: user, last: time.Now()}
}

// find returns the user of a session and keeps the session alive.  expired
// tells that the key was known until it was idle for too long.
func (t *sessionTable) find(key string) (user string, expired bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.entries[key]
	if !ok {
		return "", false
	}
	if t.idle > 0 && time.Since(e.last) > t.idle {
		delete(t.entries, key)
		return "", true
	}
	e.last = time.Now()
	return e.user, false
}

// alive tells whether a session is there, without keeping it so.
func (t *sessionTable) alive(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.entries[key]
	return ok && (t.idle <= 0 || time.Since(e.last) <= t.idle)
}

func (t *sessionTable) drop(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, key)
}

// dropAll ends every session and tells how many there were.
func (t *sessionTable) dropAll() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.entries)
	t.entries = map[string]*sessionEntry{}
	return n
}

func (t *sessionTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}
