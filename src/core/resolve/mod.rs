//! Duplicates and merges. Here: duplicate keys; scoring and survivors build on it.
