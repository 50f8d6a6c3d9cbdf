//! `POST /push/MAPPING`, signed.
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use crm_core::error::{Error, Result};
use crm_core::migrate::fault;
use crm_core::platform::{Delivery, Desk, Item, Refusal};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::sync::oneshot;

use super::body;

/// A request is taken so many seconds before and after its time.
const WINDOW: i64 = 300;
/// Signatures that are remembered at most.
const MOST_SEEN: usize = 100_000;

/// A server in a thread of its own; dropped, it ends.
pub(super) struct Http {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What every request needs.
struct Shared {
    secret: Vec<u8>,
    max_bytes: usize,
    desk: Arc<dyn Desk>,
    /// Requests of the last while, by signature: the idempotency key under which each was taken.
    seen: Mutex<HashMap<String, (i64, String)>>,
}

impl Http {
    pub(super) fn open(address: SocketAddr, secret: Vec<u8>, max_bytes: usize, desk: Arc<dyn Desk>) -> Result<Self> {
        let fail = |error: &std::io::Error| {
            Error::platform(format!("cannot listen on {address}: {error}"))
                .at("project.toml [push] listen")
                .advise("choose another port, or end the program that has it (ss -ltnp)")
        };
        let listener = TcpListener::bind(address).map_err(|error| fail(&error))?;
        listener.set_nonblocking(true).map_err(|error| fail(&error))?;
        let address = listener.local_addr().map_err(|error| fail(&error))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| fail(&error))?;
        let shared = Arc::new(Shared { secret, max_bytes, desk, seen: Mutex::default() });
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let router = Router::new()
                    .route("/push/{mapping}", post(push))
                    .route("/metrics", get(metrics))
                    .with_state(shared);
                let serving = axum::serve(listener, router).into_future();
                // Whoever is in the middle of a request when the loop ends sends it again.
                tokio::select! {
                    _ = serving => {}
                    _ = stopped => {}
                }
            });
        };
        let thread =
            std::thread::Builder::new().name("push-http".to_owned()).spawn(serve).map_err(|error| fail(&error))?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// An answer that says no.
struct No(StatusCode, String);

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let mut response = (self.0, json!({"error": self.1}).to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        if self.0 == StatusCode::PAYLOAD_TOO_LARGE {
            // What is left of the body is not read.
            response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        response
    }
}

fn bad(why: impl Into<String>) -> No {
    No(StatusCode::BAD_REQUEST, why.into())
}

/// For a monitor on this machine: counts and scores, no records, so nobody has to sign for it.
async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let read = tokio::task::spawn_blocking(move || shared.desk.metrics()).await;
    match read {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        _ => No(StatusCode::SERVICE_UNAVAILABLE, "the state of sync cannot be read".to_owned()).into_response(),
    }
}

async fn push(State(shared): State<Arc<Shared>>, Path(mapping): Path<String>, request: Request<Body>) -> Response {
    take(shared, mapping, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn take(shared: Arc<Shared>, mapping: String, request: Request<Body>) -> std::result::Result<Response, No> {
    let (parts, content) = request.into_parts();
    let too_large =
        || No(StatusCode::PAYLOAD_TOO_LARGE, format!("a request has {} bytes at most (max_bytes)", shared.max_bytes));
    let length = text(&parts.headers, "content-length").and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > shared.max_bytes as u64) {
        return Err(too_large());
    }
    let stamp = text(&parts.headers, "x-timestamp").ok_or_else(|| bad("X-Timestamp is missing: seconds since 1970"))?;
    let moment: i64 = stamp.parse().map_err(|_| bad("X-Timestamp must be seconds since 1970"))?;
    let now = fault::wall_clock().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    if moment.abs_diff(now) > WINDOW.unsigned_abs() {
        let text = format!("X-Timestamp is more than {WINDOW} s away from this machine's clock");
        return Err(No(StatusCode::REQUEST_TIMEOUT, text));
    }
    let unsigned = |why: &str| No(StatusCode::UNAUTHORIZED, why.to_owned());
    let signature = text(&parts.headers, "x-signature").and_then(|text| text.strip_prefix("sha256="));
    let signature = signature.ok_or_else(|| unsigned("X-Signature is missing: sha256=HEX over timestamp.body"))?;
    let given = hex(signature).ok_or_else(|| unsigned("X-Signature is no hexadecimal SHA-256"))?;
    // Read up to the limit: a body that does not say its length is let go beyond it.
    let content = to_bytes(content, shared.max_bytes).await.map_err(|_| too_large())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&shared.secret)
        .map_err(|_| No(StatusCode::INTERNAL_SERVER_ERROR, "the secret cannot be used".to_owned()))?;
    mac.update(stamp.as_bytes());
    mac.update(b".");
    mac.update(&content);
    mac.verify_slice(&given).map_err(|_| unsigned("X-Signature does not fit the body and the timestamp"))?;

    let content = std::str::from_utf8(&content)
        .map_err(|error| bad(format!("not UTF-8, from byte {} on", error.valid_up_to() + 1)))?;
    let items = body::items(content).map_err(bad)?;
    let changed = text(&parts.headers, "x-changed").map(body::time).transpose().map_err(bad)?;
    let wanted = text(&parts.headers, "idempotency-key").map(body::key).transpose().map_err(bad)?;
    // Two looks of one second are the same request and two looks all the same.
    let only_looks = items.iter().all(|item| *item == Item::Look);
    let idempotency = if only_looks { wanted } else { Some(shared.once(signature, moment, now, wanted)) };
    let delivery = Delivery { mapping, origin: "webhook", idempotency, changed, items };
    let desk = Arc::clone(&shared.desk);
    let taken = tokio::task::spawn_blocking(move || desk.take(&delivery)).await;
    let taken = taken.map_err(|_| No(StatusCode::INTERNAL_SERVER_ERROR, "it could not be kept".to_owned()))?;
    let receipt = taken.map_err(|refusal| {
        let status = match &refusal {
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Bad(_) => StatusCode::BAD_REQUEST,
            Refusal::Full(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        No(status, refusal.to_string())
    })?;
    let answer = json!({"accepted": receipt.accepted, "repeated": receipt.repeated}).to_string();
    Ok((StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

impl Shared {
    /// The key under which a request is taken once. A request that is sent again as it was is the same request, whatever
    /// other key a replay gives it: the key is not signed.
    fn once(&self, signature: &str, moment: i64, now: i64, wanted: Option<String>) -> String {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = signature.to_ascii_lowercase();
        if let Some((_, key)) = seen.get(&signature) {
            return key.clone();
        }
        if seen.len() >= MOST_SEEN {
            seen.retain(|_, (moment, _)| now - *moment <= WINDOW);
        }
        let key = wanted.unwrap_or_else(|| format!("signature {signature}"));
        if seen.len() < MOST_SEEN {
            seen.insert(signature, (moment, key.clone()));
        }
        key
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_hexadecimal() {
        assert_eq!(hex(&"0f".repeat(32)), Some(vec![15; 32]));
        assert_eq!((hex("0f"), hex(&"zz".repeat(32)), hex(&"é".repeat(32))), (None, None, None));
    }
}
