// Command vcsim is the embedded vCenter of the vmboot lab.
//
// It serves govmomi's simulator behind a front of its own.  Calls that change
// virtual machines, templates or files are carried out by this program under
// the rules that a vCenter enforces and the simulator does not; every other
// call is passed on.  A second listener, the control API, injects faults,
// counts calls and edits the inventory behind the client's back.
//
// The first line on standard output is one JSON document that tells where the
// two listeners are.  SIGINT and SIGTERM end the program and remove its files.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the command line, parsed once.
type options struct {
	listen         string
	controlAddress string
	user           string
	password       string
	vms            int
	templates      int
	specials       bool
	delayMS        int
	taskMS         int
	guestShutdown  time.Duration
	questionWait   time.Duration
	sessionTimeout time.Duration
	leaseTimeout   time.Duration
	parentPID      int
	verbose        bool

	disks           bool
	refusePredicted bool
}

// passwordVariable is the only way in for the password: a command line is
// visible to every user of the machine.
const passwordVariable = "VMBOOT_LAB_PASSWORD"

func parseOptions(args []string) (options, error) {
	var o options
	var shutdown, question, session, lease int
	fs := flag.NewFlagSet("vcsim", flag.ContinueOnError)
	fs.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of the vCenter API (HTTPS)")
	fs.StringVar(&o.controlAddress, "control", "127.0.0.1:0", "address of the control API (HTTP, loopback only)")
	fs.StringVar(&o.user, "user", "administrator@vsphere.local", "the one user that may log in")
	fs.IntVar(&o.vms, "vms", 40, "number of ordinary virtual machines")
	fs.IntVar(&o.templates, "templates", 4, "number of templates")
	fs.BoolVar(&o.specials, "specials", true, "add the special virtual machines")
	fs.IntVar(&o.delayMS, "delay-ms", 0, "milliseconds that every API call takes longer")
	fs.IntVar(&o.taskMS, "task-ms", 0, "milliseconds that every task takes longer")
	fs.IntVar(&shutdown, "guest-shutdown-ms", 300, "milliseconds a guest needs to shut down")
	fs.IntVar(&question, "question-ms", 240000, "milliseconds until an unanswered question fails its task")
	fs.IntVar(&session, "session-timeout", 1800, "seconds of idleness after which a session ends")
	fs.IntVar(&lease, "lease-timeout", 300, "seconds without progress after which an import ends")
	fs.IntVar(&o.parentPID, "parent-pid", 0, "end when this process is gone")
	fs.BoolVar(&o.disks, "disks", false, "virtual machines with disks on every kind of controller")
	fs.BoolVar(&o.refusePredicted, "refuse-predicted-keys", false, "a boot order names devices of before the call only")
	fs.BoolVar(&o.verbose, "verbose", false, "log refusals and faults to standard error")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.guestShutdown = time.Duration(shutdown) * time.Millisecond
	o.questionWait = time.Duration(question) * time.Millisecond
	o.sessionTimeout = time.Duration(session) * time.Second
	o.leaseTimeout = time.Duration(lease) * time.Second
	o.password = os.Getenv(passwordVariable)
	switch {
	case o.password == "":
		return o, fmt.Errorf("the environment variable %s is not set", passwordVariable)
	case o.vms < 0 || o.vms > 5000:
		return o, fmt.Errorf("--vms %d: not between 0 and 5000", o.vms)
	case o.templates < 0 || o.templates > 1000:
		return o, fmt.Errorf("--templates %d: not between 0 and 1000", o.templates)
	}
	return o, nil
}

// readyLine is the first line on standard output.
type readyLine struct {
	URL          string   `json:"url"`
	Control      string   `json:"control"`
	Token        string   `json:"token"`
	User         string   `json:"user"`
	PID          int      `json:"pid"`
	Thumbprint   string   `json:"thumbprint"`
	Govmomi      string   `json:"govmomi"`
	Capabilities []string `json:"capabilities"`
}

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	o, err := parseOptions(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "vcsim: %v\n", err)
		return 2
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if o.parentPID != 0 {
		go watchParent(o.parentPID, cancel)
	}
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	quietLog(o.verbose)
	if err := serve(stop, cancel, o); err != nil {
		fmt.Fprintf(os.Stderr, "vcsim: %v\n", err)
		return 1
	}
	return 0
}

// serve builds the inventory, prints the ready line and runs until stop.
func serve(stop context.Context, cancel func(), o options) error {
	lab, err := newLab(o, cancel)
	if err != nil {
		return err
	}
	defer lab.remove()
	if err := lab.populate(); err != nil {
		return fmt.Errorf("building the inventory: %w", err)
	}
	front, err := startFront(lab)
	if err != nil {
		return err
	}
	defer front.close()
	control, err := startControl(lab)
	if err != nil {
		return err
	}
	defer control.close()
	ready := readyLine{
		URL:          front.url,
		Control:      control.url,
		Token:        control.token,
		User:         o.user,
		PID:          os.Getpid(),
		Thumbprint:   front.thumbprint,
		Govmomi:      govmomiRelease,
		Capabilities: capabilities,
	}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	<-stop.Done()
	return nil
}

// watchParent cancels when the process that started the lab is gone, so that
// a crashed test run leaves nothing behind.
func watchParent(pid int, cancel func()) {
	for {
		time.Sleep(500 * time.Millisecond)
		if err := syscall.Kill(pid, 0); err == syscall.ESRCH {
			cancel()
			return
		}
	}
}
