// Load asks one server over some connections and prints what it took, as JSON.
//
// Without -rate the loop is closed: each connection asks again as soon as it was answered. With it
// the loop is open: requests are due at a constant rate, whatever became of those before, and each is
// timed from when it was due. So a server that stands still for a second is charged with all who came
// in that second, and not with the one who happened to be asking.
//
// It looks for events all the time instead of waiting for them: what is measured is how soon a server
// answers, not how soon a sleeping core wakes up here. It wants a core of its own.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
)

// report is what is printed; times are in microseconds.
type report struct {
	Asked     int     `json:"asked"`
	Counted   int     `json:"counted"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	Most      float64 `json:"most"`
	// Unanswered is how many were due in time and had no answer when the patience was over.
	Unanswered int `json:"unanswered"`
}

// patience is how long answers to an open loop are waited for after its end.
const patience = time.Second

func main() {
	port := flag.Int("port", 0, "the server's port on loopback")
	file := flag.String("requests", "", "requests, one after the other as they go over the wire")
	connections := flag.Int("connections", 1, "how many there are")
	warming := flag.Duration("warming", 0, "how long to ask before it counts")
	duration := flag.Duration("duration", time.Second, "how long it counts")
	rate := flag.Float64("rate", 0, "requests a second of an open loop; 0 for a closed one")
	flag.Parse()
	runtime.LockOSThread()
	requests, err := readRequests(*file)
	if err != nil {
		fail(err)
	}
	debug.SetGCPercent(-1)
	run := &run{requests: requests, warming: *warming, duration: *duration}
	if err := run.connect(*port, *connections); err != nil {
		fail(err)
	}
	if *rate > 0 {
		err = run.open(*rate)
	} else {
		err = run.closed()
	}
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(run.report()); err != nil {
		fail(err)
	}
}

// run is one load from its connections to its times.
type run struct {
	requests          [][]byte
	warming, duration time.Duration
	poller            int
	connections       []*connection
	byDescriptor      map[int32]*connection
	began             time.Time
	next, asked       int
	unasked           int
	whole             []*connection
	times             []time.Duration
	lastCounted       time.Duration
}

func (r *run) connect(port, count int) error {
	var err error
	if r.poller, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return err
	}
	r.byDescriptor = map[int32]*connection{}
	for range count {
		made, err := dial(port)
		if err != nil {
			return err
		}
		const edges = 1 << 31 // EPOLLET, whose constant is negative.
		event := syscall.EpollEvent{
			Events: syscall.EPOLLIN | syscall.EPOLLOUT | edges, Fd: int32(made.descriptor),
		}
		if err := syscall.EpollCtl(r.poller, syscall.EPOLL_CTL_ADD, made.descriptor, &event); err != nil {
			return err
		}
		r.connections = append(r.connections, made)
		r.byDescriptor[int32(made.descriptor)] = made
	}
	return nil
}

// closed asks on every connection, and again on each that was answered.
func (r *run) closed() error {
	r.began = time.Now()
	for _, each := range r.connections {
		if err := r.ask(each, 0); err != nil {
			return err
		}
	}
	for asking := len(r.connections); asking > 0; {
		answered, err := r.answered()
		if err != nil {
			return err
		}
		now := time.Since(r.began)
		for _, each := range answered {
			r.count(each.due, now, now)
			if now >= r.warming+r.duration {
				asking--
			} else if err := r.ask(each, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// open asks when it is time to; who finds no connection free waits for one, and the time runs.
func (r *run) open(rate float64) error {
	every := time.Duration(float64(time.Second) / rate)
	free := slices.Clone(r.connections)
	r.began = time.Now()
	end := r.warming + r.duration
	due := time.Duration(0)
	for {
		now := time.Since(r.began)
		done := due >= end && len(free) == len(r.connections)
		if done || now > end+patience {
			r.unasked = int(max(end-due, 0) / every)
			return nil
		}
		for due <= now && due < end && len(free) > 0 {
			if err := r.ask(free[len(free)-1], due); err != nil {
				return err
			}
			free = free[:len(free)-1]
			due += every
		}
		answered, err := r.answered()
		if err != nil {
			return err
		}
		now = time.Since(r.began)
		for _, each := range answered {
			r.count(each.due, now, each.due)
			free = append(free, each)
		}
	}
}

// ask sends the next request.
func (r *run) ask(to *connection, due time.Duration) error {
	request := r.requests[r.next]
	r.next = (r.next + 1) % len(r.requests)
	r.asked++
	return to.ask(request, due)
}

// count keeps how long an answer took, if what decides lies in the time that counts.
func (r *run) count(due, now, decides time.Duration) {
	if decides >= r.warming && decides < r.warming+r.duration {
		r.times = append(r.times, now-due)
		r.lastCounted = max(r.lastCounted, now)
	}
}

// answered reads what has come, and returns the connections whose answer is whole.
func (r *run) answered() ([]*connection, error) {
	var events [256]syscall.EpollEvent
	count, err := syscall.EpollWait(r.poller, events[:], 0)
	if err != nil && err != syscall.EINTR {
		return nil, err
	}
	r.whole = r.whole[:0]
	for _, event := range events[:max(count, 0)] {
		each := r.byDescriptor[event.Fd]
		if err := each.flush(); err != nil {
			return nil, err
		}
		is, err := each.read()
		if err != nil {
			return nil, err
		}
		if is {
			r.whole = append(r.whole, each)
		}
	}
	return r.whole, nil
}

func (r *run) report() report {
	slices.Sort(r.times)
	// What waited beyond the end still belongs to the time that counts, so the time is longer then.
	took := max(r.duration, r.lastCounted-r.warming)
	found := report{
		Asked:      r.asked,
		Counted:    len(r.times),
		PerSecond:  float64(len(r.times)) / took.Seconds(),
		Unanswered: r.unasked,
	}
	for _, each := range r.connections {
		if each.waits && each.due >= r.warming {
			found.Unanswered++
		}
	}
	if len(r.times) > 0 {
		found.P50, found.P99 = quantile(r.times, 0.5), quantile(r.times, 0.99)
		found.Most = microseconds(r.times[len(r.times)-1])
	}
	return found
}

// quantile is the least time that at least such a share of all does not exceed.
func quantile(ordered []time.Duration, share float64) float64 {
	rank := int(math.Ceil(share * float64(len(ordered))))
	return microseconds(ordered[max(rank-1, 0)])
}

func microseconds(took time.Duration) float64 {
	return float64(took.Nanoseconds()) / 1e3
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}
