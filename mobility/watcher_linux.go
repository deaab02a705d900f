package mobility

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// groups are the rtnetlink multicast groups that carry what can change a source address (rtnetlink(7)).
const groups = unix.RTMGRP_LINK |
	unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE |
	unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE

// listenOS calls event for every message of the kernel about links, addresses and routes. It returns
// nil when ctx ends. What a message says is not read: Survey asks for the truth.
func listenOS(ctx context.Context, event func()) error {
	f, err := openNetlink()
	if err != nil {
		return err
	}
	event() // what happened before the socket was open
	return hear(ctx, f, event)
}

// hear is listenOS on an open socket, which it closes.
func hear(ctx context.Context, f *os.File, event func()) (err error) {
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { closed <- f.Close() }) // ends receive
	defer func() {
		if stop() {
			closed <- f.Close()
		}
		err = errors.Join(err, <-closed)
	}()
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	buf := make([]byte, 64<<10) // more than the kernel puts into one datagram
	for {
		kernel, err := receive(raw.Read, buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // messages were dropped: something changed
			event()
		case err != nil:
			return fmt.Errorf("netlink: receive: %w", err)
		case kernel:
			event()
		}
	}
}

// openNetlink opens a non-blocking socket in the groups, which the runtime polls.
func openNetlink() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("netlink: bind: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// receive waits for one datagram and tells whether the kernel sent it: any process may send to the
// socket, and must not keep us busy.
func receive(read func(func(fd uintptr) bool) error, buf []byte) (kernel bool, err error) {
	var from unix.Sockaddr
	var failure error
	err = read(func(fd uintptr) bool {
		for failure = unix.EINTR; errors.Is(failure, unix.EINTR); {
			_, from, failure = unix.Recvfrom(int(fd), buf, 0)
		}
		return !errors.Is(failure, unix.EAGAIN)
	})
	if err = errors.Join(err, failure); err != nil {
		return false, err
	}
	sender, is := from.(*unix.SockaddrNetlink)
	return is && sender.Pid == 0, nil // netlink(7): nl_pid is 0 for the kernel
}
