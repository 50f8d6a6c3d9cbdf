//! What all integration tests share.
pub mod command;
pub mod gate;
pub mod mounts;
pub mod picture;
#[allow(dead_code)]
pub mod terminal;

/// The program under test. `CRM_CONSOLE_PROGRAM` names another one, such as a copy that no build replaces in the middle of a
/// long form.
pub fn program() -> &'static str {
    static PROGRAM: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(|| {
        std::env::var("CRM_CONSOLE_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_crm-console").to_owned())
    })
}
