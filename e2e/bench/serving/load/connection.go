package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

var (
	headEnd = []byte("\r\n\r\n")
	length  = []byte("content-length:")
	success = []byte("HTTP/1.1 200")
)

// connection is one of those that are kept open; it has one request under way at most.
type connection struct {
	descriptor int
	// due is when the request should have been sent, since the run began.
	due time.Duration
	// waits says that an answer is to come.
	waits bool
	// unsent is the rest of a request that the kernel had no room for yet.
	unsent []byte
	buffer []byte
	filled int
}

func dial(port int) (*connection, error) {
	descriptor, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	address := &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	if err := syscall.Connect(descriptor, address); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	if err := syscall.SetsockoptInt(descriptor, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(descriptor, true); err != nil {
		return nil, err
	}
	return &connection{descriptor: descriptor, buffer: make([]byte, 64*1024)}, nil
}

func (c *connection) ask(request []byte, due time.Duration) error {
	c.due, c.waits, c.unsent, c.filled = due, true, request, 0
	return c.flush()
}

// flush sends as much as there is room for.
func (c *connection) flush() error {
	for len(c.unsent) > 0 {
		sent, err := syscall.Write(c.descriptor, c.unsent)
		if err == syscall.EAGAIN {
			return nil
		}
		if err != nil {
			return err
		}
		c.unsent = c.unsent[sent:]
	}
	return nil
}

// read takes what has come, and says whether the answer is whole.
func (c *connection) read() (bool, error) {
	for {
		if c.filled == len(c.buffer) {
			c.buffer = append(c.buffer, make([]byte, len(c.buffer))...)
		}
		count, err := syscall.Read(c.descriptor, c.buffer[c.filled:])
		if err == syscall.EAGAIN {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if count == 0 {
			return false, errors.New("the server closed the connection")
		}
		c.filled += count
		expected, err := messageLength(c.buffer[:c.filled])
		if err != nil {
			return false, err
		}
		if expected > 0 && c.filled >= expected {
			return true, c.finish()
		}
	}
}

// finish ends an exchange; anything but success ends the run.
func (c *connection) finish() error {
	if !c.waits || !bytes.HasPrefix(c.buffer[:c.filled], success) {
		return fmt.Errorf("not answered: %.2000s", c.buffer[:c.filled])
	}
	c.waits = false
	return nil
}

// messageLength is how long the message is that begins here, or 0 while its head is not complete.
func messageLength(received []byte) (int, error) {
	end := bytes.Index(received, headEnd)
	if end < 0 {
		return 0, nil
	}
	for line := range bytes.Lines(received[:end+2]) {
		if len(line) > len(length) && bytes.EqualFold(line[:len(length)], length) {
			announced, err := strconv.Atoi(string(bytes.TrimSpace(line[len(length):])))
			if err != nil {
				return 0, err
			}
			return end + len(headEnd) + announced, nil
		}
	}
	if bytes.HasPrefix(received, []byte("GET ")) {
		return end + len(headEnd), nil
	}
	return 0, fmt.Errorf("a message without a length: %.500s", received)
}

// readRequests cuts a file into the requests that stand in it.
func readRequests(file string) ([][]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var requests [][]byte
	for len(content) > 0 {
		expected, err := messageLength(content)
		if err != nil {
			return nil, err
		}
		if expected == 0 || expected > len(content) {
			return nil, fmt.Errorf("%s: the last request is not whole", file)
		}
		requests = append(requests, content[:expected])
		content = content[expected:]
	}
	if len(requests) == 0 {
		return nil, fmt.Errorf("%s: there is no request", file)
	}
	return requests, nil
}
