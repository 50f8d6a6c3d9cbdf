//! The platforms, one file (or folder) a kind, each a [`crm_core::platform::Connector`].
use crm_core::platform::Registry;

/// All kinds this build has.
pub fn registry() -> Registry {
    Registry::new()
}
