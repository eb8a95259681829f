"""End-to-end tests, the local cluster that they run on, and the benchmarks."""
