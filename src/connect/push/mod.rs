//! The doors through which others push records: HTTP with a signature, and JSON lines on a Unix socket.
//!
//! What comes is checked, handed to the sync loop's desk, and acknowledged when it is on disk. Nothing that was sent is
//! ever repeated in an answer or a log: errors name the place, not the content.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crm_core::error::Result;
use crm_core::platform::{Desk, Door};
use crm_core::project::PushConfig;

mod body;
mod http;
mod secret;
mod socket;

pub use body::line as delivery_of_line;

/// All doors of a project.
struct Doors {
    address: Option<SocketAddr>,
    notes: Vec<String>,
    _http: Option<http::Http>,
    _socket: Option<socket::Socket>,
}

impl Door for Doors {
    fn address(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// Opens the socket, and HTTP where the project says where to listen.
pub fn open(config: &PushConfig, root: &Path, socket: &Path, desk: Arc<dyn Desk>) -> Result<Box<dyn Door>> {
    let http = config
        .listen
        .map(|address| {
            let secret = secret::read(config, root)?;
            http::Http::open(address, secret, config.max_bytes, Arc::clone(&desk))
        })
        .transpose()?;
    let mut notes = Vec::new();
    if let Some(address) = http.as_ref().map(http::Http::address).filter(|address| !address.ip().is_loopback()) {
        notes.push(format!("pushes are taken from other machines, without encryption: {address}"));
    }
    let socket = match socket::Socket::open(socket, config.max_bytes, desk) {
        Ok(socket) => Some(socket),
        // A project that lies deep has a name too long for a socket; HTTP and standard input are left.
        Err(error) => {
            notes.push(format!("no socket for pushes: {error}"));
            None
        }
    };
    Ok(Box::new(Doors { address: http.as_ref().map(http::Http::address), notes, _http: http, _socket: socket }))
}
