//! crm-console
fn main() {}
