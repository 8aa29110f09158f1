// Package lab is a complete edge on one machine: a Kubernetes control plane, edge hosts with a real sshd and a real HAProxy,
// backends that report which client they saw, and clients. Tests, the demo and benchmarks use it.
//
// Everything runs in its own namespaces, for root and for ordinary users alike. A network namespace, because the API
// server refuses loopback addresses as endpoints and because no packet of a test may reach a real network. A PID
// namespace, because its end reliably ends every process. A mount namespace, because sshd needs directories and accounts
// that the machine may not have. Each edge host has its own PID and mount namespaces within these, so that all can have
// their files at the same paths.
//
// A test enters the lab in TestMain with Main, a program with Enter; package sandbox implements it. Package kube has the control
// plane; package debian has hosts with the init system and the HAProxy of a distribution, and package pair some that take over
// addresses from each other.
package lab
