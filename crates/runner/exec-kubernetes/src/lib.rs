//! Runs of agents in pods of a Kubernetes cluster.
