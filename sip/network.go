package sip

import "github.com/peregrine-softphone/peregrine/sip/transport"

// Network is the part of the operating system that a UA needs; see transport.Network.
type Network = transport.Network

// OSNetwork is the network of this computer.
type OSNetwork = transport.OSNetwork
