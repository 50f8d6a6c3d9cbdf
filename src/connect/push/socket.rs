//! JSON lines on a Unix socket that only its owner may open: a line in, a line back.
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crm_core::error::{Error, Result};
use crm_core::platform::Desk;
use serde_json::json;

use super::body;

/// Who may be connected at once.
const GUESTS: usize = 32;

/// A listening thread; dropped, it ends and the socket's file goes.
pub(super) struct Socket {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Socket {
    pub(super) fn open(path: &Path, max_bytes: usize, desk: Arc<dyn Desk>) -> Result<Self> {
        let fail = |error: std::io::Error| Error::io("listen on", path, &error);
        // Only one loop runs: whatever bears the name was left by one that was killed.
        _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).map_err(fail)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(fail)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let guests = Arc::new(AtomicUsize::new(0));
        let listen = move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                if guests.fetch_add(1, Ordering::Relaxed) >= GUESTS {
                    guests.fetch_sub(1, Ordering::Relaxed);
                    _ = writeln!(stream, "{}", json!({"error": format!("{GUESTS} are connected already")}));
                    continue;
                }
                let (desk, here) = (Arc::clone(&desk), Arc::clone(&guests));
                let serve = move || {
                    // Who goes away in the middle of a line has not sent it.
                    _ = serve(&stream, max_bytes, desk.as_ref());
                    here.fetch_sub(1, Ordering::Relaxed);
                };
                if std::thread::Builder::new().name("push-guest".to_owned()).spawn(serve).is_err() {
                    guests.fetch_sub(1, Ordering::Relaxed);
                }
            }
        };
        let thread = std::thread::Builder::new().name("push-socket".to_owned()).spawn(listen).map_err(fail)?;
        Ok(Self { path: path.to_owned(), stop, thread: Some(thread) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The thread waits for the next guest: this one.
        let woken = UnixStream::connect(&self.path).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            _ = thread.join();
        }
        _ = std::fs::remove_file(&self.path);
    }
}

fn serve(stream: &UnixStream, max_bytes: usize, desk: &dyn Desk) -> std::io::Result<()> {
    let mut input = BufReader::new(stream);
    let mut output = stream;
    let mut line = Vec::new();
    loop {
        line.clear();
        // One byte more than is allowed tells that it is too long.
        let read = input.by_ref().take(max_bytes as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.len() > max_bytes {
            writeln!(output, "{}", json!({"error": format!("a line has {max_bytes} bytes at most (max_bytes)")}))?;
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        writeln!(output, "{}", answer(&line, desk))?;
    }
}

fn answer(line: &[u8], desk: &dyn Desk) -> serde_json::Value {
    let Ok(text) = std::str::from_utf8(line) else { return json!({"error": "not UTF-8"}) };
    match body::line(text, "socket", None) {
        Err(why) => json!({"error": why}),
        Ok(delivery) => match desk.take(&delivery) {
            Ok(receipt) => json!({"accepted": receipt.accepted, "repeated": receipt.repeated}),
            Err(refusal) => json!({"error": refusal.to_string()}),
        },
    }
}
