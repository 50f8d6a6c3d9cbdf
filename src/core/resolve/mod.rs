//! Records that are one and the same: keys and their duplicates.
pub mod keys;

pub use keys::{KEY_SEPARATOR, key_hash, key_text, show_key};
