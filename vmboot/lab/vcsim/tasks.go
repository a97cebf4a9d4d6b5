package main

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// job is the work of one task.
type job struct {
	object      mo.Reference                  // what the task works on
	label       string                        // its name
	entity      *types.ManagedObjectReference // what TaskInfo shows, when not object
	name        string                        // as in TaskInfo.name, which is also the API method
	description string
	user        string
	exclusive   bool   // one at a time per entity
	subject     string // name by which a fault finds it, when not label
	// before runs without the entity's lock; it may wait.
	before func() *refusal
	// run holds the entity's lock: nobody sees half of its work.
	run func(ctx *simulator.Context) (types.AnyType, *refusal)
}

// start begins a task and returns its reference at once.  The tasks are ours
// and not the simulator's, so that a slow one leaves its entity readable.
func (l *lab) start(j job) (types.ManagedObjectReference, *refusal) {
	ref := j.object.Reference()
	self := l.nextTask()
	if j.exclusive {
		if no := l.claim(ref, self, j.label); no != nil {
			return ref, no
		}
	}
	shown := ref
	if j.entity != nil {
		shown = *j.entity
	}
	task := &simulator.Task{}
	task.Info = types.TaskInfo{
		Name: j.name, DescriptionId: j.description,
		Entity: &shown, EntityName: j.label,
		Reason:    &types.TaskReasonUser{UserName: j.user},
		QueueTime: time.Now(), State: types.TaskInfoStateQueued,
	}
	task.Self = self
	task.Info.Key, task.Info.Task = task.Self.Value, task.Self
	l.locked(j.object, func(*simulator.Context) { l.reg.Put(task) })
	subject := j.subject
	if subject == "" {
		subject = j.label
	}
	fault := l.faults.take(j.name, subject, taskKinds)
	go l.work(task, j, fault)
	return task.Self, nil
}

// claim marks an entity as busy with a task; refused when it is already.
func (l *lab) claim(ref, task types.ManagedObjectReference, label string) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	if running, busy := l.busy[ref]; busy {
		return refuse("busy", &types.TaskInProgress{Task: running},
			"Another task is already in progress for %s.", label)
	}
	l.busy[ref] = task
	return nil
}

func (l *lab) release(ref types.ManagedObjectReference) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, ref)
}

func (l *lab) work(task *simulator.Task, j job, fault *faultRule) {
	l.update(task, set("info.state", types.TaskInfoStateRunning), set("info.startTime", time.Now()))
	wait := l.task.get()
	if fault != nil && fault.Kind == "slow-task" {
		wait += time.Duration(fault.MS) * time.Millisecond
		fault = nil
	}
	time.Sleep(wait)
	result, no := l.perform(j, fault)
	if j.exclusive {
		l.release(j.object.Reference())
	}
	l.finish(task, result, no)
}

func (l *lab) perform(j job, fault *faultRule) (result types.AnyType, no *refusal) {
	if fault != nil {
		return nil, fault.refusal(j.object.Reference())
	}
	if j.before != nil {
		if no := j.before(); no != nil {
			return nil, no
		}
	}
	l.locked(j.object, func(ctx *simulator.Context) { result, no = j.run(ctx) })
	return result, no
}

func (l *lab) finish(task *simulator.Task, result types.AnyType, no *refusal) {
	changes := []types.PropertyChange{set("info.completeTime", time.Now())}
	if no == nil {
		if result != nil {
			changes = append(changes, set("info.result", result))
		}
		changes = append(changes, set("info.progress", int32(100)),
			set("info.state", types.TaskInfoStateSuccess))
	} else {
		l.note(no)
		message := no.message
		if message == "" {
			message = faultMessage(no.fault)
		}
		changes = append(changes, set("info.error", types.LocalizedMethodFault{
			Fault: no.fault, LocalizedMessage: message,
		}), set("info.state", types.TaskInfoStateError))
	}
	l.update(task, changes...)
}

// runTask starts a task of the simulator and waits for it, in process.
func (l *lab) runTask(object interface{}, method string, request interface{}) (types.AnyType, error) {
	result, no := l.simulate(object, method, request)
	if no != nil {
		return nil, fmt.Errorf("%s: %s", method, no.message)
	}
	return result, nil
}

// simulate is runTask that keeps the simulator's fault.
func (l *lab) simulate(object interface{}, method string, request interface{}) (types.AnyType, *refusal) {
	res := invoke(object, method, l.context(), request)
	if f := res.Fault(); f != nil {
		fault, _ := f.VimFault().(types.BaseMethodFault)
		if fault == nil {
			fault = genericVMFault(f.String)
		}
		return nil, &refusal{fault: fault, message: f.String}
	}
	ref := taskReference(res)
	for wait := 20 * time.Microsecond; ; wait *= 2 {
		task := l.reg.Get(ref).(*simulator.Task)
		var info types.TaskInfo
		l.locked(task, func(*simulator.Context) { info = task.Info })
		switch info.State {
		case types.TaskInfoStateSuccess:
			return info.Result, nil
		case types.TaskInfoStateError:
			return nil, &refusal{fault: info.Error.Fault, message: info.Error.LocalizedMessage}
		}
		time.Sleep(wait)
	}
}

// respond makes the API answer of a call that started a task.
func (l *lab) respond(j job, answer func(types.ManagedObjectReference) interface{}) (interface{}, *refusal) {
	ref, no := l.start(j)
	if no != nil {
		return nil, no
	}
	return answer(ref), nil
}

// vmOf finds the VM of a call.
func (l *lab) vmOf(c call) (*simulator.VirtualMachine, *refusal) {
	if vm := l.vm(c.this); vm != nil {
		return vm, nil
	}
	return nil, &refusal{
		fault:   &types.ManagedObjectNotFound{Obj: c.this},
		message: "The object '" + c.this.String() + "' has already been deleted or has not been completely created",
	}
}
