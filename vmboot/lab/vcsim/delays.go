package main

import (
	"sync/atomic"
	"time"
)

// pause is a duration that the control API may change while others read it.
type pause struct{ ns int64 }

func (p *pause) set(ms int) { atomic.StoreInt64(&p.ns, int64(ms)*int64(time.Millisecond)) }

func (p *pause) get() time.Duration { return time.Duration(atomic.LoadInt64(&p.ns)) }

func (p *pause) sleep() {
	if d := p.get(); d > 0 {
		time.Sleep(d)
	}
}
