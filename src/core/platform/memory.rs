//! A platform in memory, with faults on demand: for tests of everything above the connectors.
