"""What docs/performance.md says, as programs: ours, the limit in C and the peers in one run."""
