//! What all integration tests share.
pub mod command;
pub mod gate;
pub mod picture;
#[allow(dead_code)]
pub mod terminal;

/// The program under test.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_crm-console")
}
