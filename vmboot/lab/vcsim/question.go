package main

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// A guest that holds the door of its CD-ROM drive: taking the media away asks
// first, and the task waits for the answer (message ids as a vCenter has them).

const (
	lockedMessage = "msg.cdromdisconnect.locked"
	failedMessage = "msg.disk.onlineConnectFail"
	lockedText    = "The guest operating system has locked the CD-ROM door and is probably using" +
		" the CD-ROM, which can prevent the guest from recognizing media changes." +
		" Disconnect anyway and override the lock?"
	answerYes, answerNo = "0", "1"
)

// question is one that waits for AnswerVM.
type question struct {
	id     string
	answer chan string
}

// askBeforeEject waits for an answer where the spec takes held media away.
func (l *lab) askBeforeEject(vm *simulator.VirtualMachine, spec types.VirtualMachineConfigSpec,
	sent sentFields) (no *refusal) {
	if !l.privateOf(vm.Self).locksCD || len(spec.DeviceChange) == 0 {
		return nil
	}
	ask := false
	l.locked(vm, func(*simulator.Context) {
		var d *draft
		if d, no = l.newDraft(vm, &spec, sent); no == nil {
			ask = d.ejects && !autoAnswers(d.extra)
		}
	})
	if no != nil || !ask {
		return no
	}
	return l.ask(vm)
}

// autoAnswers is true for a VM that is configured never to ask.
func autoAnswers(extra []types.BaseOptionValue) bool {
	for _, o := range extra {
		v := o.GetOptionValue()
		if v.Key == "cdrom.showIsoLockWarning" && v.Value == "FALSE" ||
			v.Key == "msg.autoanswer" && v.Value == "TRUE" {
			return true
		}
	}
	return false
}

func (l *lab) ask(vm *simulator.VirtualMachine) *refusal {
	q := &question{id: fmt.Sprintf("_vmx%d", time.Now().UnixNano()%100000), answer: make(chan string, 1)}
	l.mu.Lock()
	l.pending[vm.Self] = q
	l.mu.Unlock()
	l.update(vm, set("runtime.question", questionInfo(q.id)), set("summary.runtime.question", questionInfo(q.id)))
	choice := ""
	select {
	case choice = <-q.answer:
	case <-time.After(l.questionWait):
	}
	l.mu.Lock()
	delete(l.pending, vm.Self)
	l.mu.Unlock()
	l.locked(vm, func(ctx *simulator.Context) {
		vm.Runtime.Question, vm.Summary.Runtime.Question = nil, nil
		updateObject(ctx, l.reg, vm, []types.PropertyChange{set("runtime.question", nil)})
	})
	if choice == answerYes {
		return nil
	}
	return refuse("cd-locked", genericVMFault(failedMessage),
		"%s: connection control operation failed: the guest of %s holds the CD-ROM door.", failedMessage, vm.Name)
}

func questionInfo(id string) types.VirtualMachineQuestionInfo {
	choice := func(key, label string) types.BaseElementDescription {
		return &types.ElementDescription{
			Description: types.Description{Label: label, Summary: label}, Key: key,
		}
	}
	return types.VirtualMachineQuestionInfo{
		Id:   id,
		Text: lockedMessage + ":" + lockedText,
		Choice: types.ChoiceOption{
			ChoiceInfo:   []types.BaseElementDescription{choice(answerYes, "button.yes"), choice(answerNo, "button.no")},
			DefaultIndex: 1,
		},
		Message: []types.VirtualMachineMessage{{Id: lockedMessage, Text: lockedText}},
	}
}

func (l *lab) answerVM(c call) (interface{}, *refusal) {
	vm, no := l.vmOf(c)
	if no != nil {
		return nil, no
	}
	var req types.AnswerVM
	if no := decode(c, &req); no != nil {
		return nil, no
	}
	l.mu.Lock()
	q := l.pending[vm.Self]
	l.mu.Unlock()
	switch {
	case q == nil || q.id != req.QuestionId:
		return nil, refuse("question-known", invalidArgument("questionId"),
			"%s has no pending question %q.", vm.Name, req.QuestionId)
	case req.AnswerChoice != answerYes && req.AnswerChoice != answerNo:
		return nil, refuse("question-known", invalidArgument("answerChoice"),
			"%q is not one of the choices.", req.AnswerChoice)
	}
	select {
	case q.answer <- req.AnswerChoice:
	default:
	}
	return &types.AnswerVMResponse{}, nil
}
