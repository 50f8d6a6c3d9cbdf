//! Who does something, and when.
use chrono::{DateTime, SecondsFormat, Utc};

/// Now, RFC 3339 in UTC, to the second.
pub fn now() -> String {
    DateTime::<Utc>::from(crate::migrate::fault::wall_clock()).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// OS user of this process, with the address of the SSH client where there is one: `anna from 192.0.2.7`.
pub fn who() -> String {
    let uid = rustix::process::getuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = user_name(&passwd, uid).map_or_else(|| format!("uid {uid}"), str::to_owned);
    let client = ["SSH_CLIENT", "SSH_CONNECTION"].iter().find_map(|name| std::env::var(name).ok());
    match client.as_deref().and_then(client_address) {
        Some(address) => format!("{user} from {address}"),
        None => user,
    }
}

/// The name of a user id in the text of `/etc/passwd`.
fn user_name(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// The first word of `SSH_CLIENT` or `SSH_CONNECTION`, if it looks like an address: the variable is only text.
fn client_address(value: &str) -> Option<&str> {
    let address = value.split_whitespace().next()?;
    address.chars().all(|c| c.is_ascii_alphanumeric() || ".:%-_".contains(c)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_clients_are_named() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nanna:x:1001:1001::/home/anna:/bin/sh\nbroken\n";
        assert_eq!(user_name(passwd, 1001), Some("anna"));
        assert_eq!(user_name(passwd, 7), None);
        assert_eq!(client_address("192.0.2.7 50122 22"), Some("192.0.2.7"));
        assert_eq!(client_address("fe80::1%eth0 1 2"), Some("fe80::1%eth0"));
        assert_eq!(client_address("\u{1b}[31m 1 2"), None);
        assert_eq!(client_address(""), None);
    }
}
