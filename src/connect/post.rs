//! The HTTP client for what sync tells outside: a POST of JSON over http or https.
use std::path::Path;
use std::sync::Arc;

use crm_core::platform::Call;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Sends it. A redirect is an answer like any other: what is told is meant for the address that was named.
pub fn post(call: &Call<'_>) -> Result<u16, String> {
    let mut tls = TlsConfig::builder();
    if let Some(file) = call.ca_file {
        tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates(file)?)));
    }
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(call.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("crm-console/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .build()
        .into();
    let mut request = agent.post(call.url).content_type("application/json");
    if let Some((name, value)) = call.header {
        request = request.header(name, value);
    }
    match request.send(call.body) {
        Ok(answer) => Ok(answer.status().as_u16()),
        Err(error) => Err(words(&error)),
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let name = file.display();
    let bytes = std::fs::read(file).map_err(|error| format!("{name} cannot be read: {}", error.kind()))?;
    let found: Vec<Certificate<'static>> = parse_pem(&bytes)
        .filter_map(|item| if let Ok(PemItem::Certificate(one)) = item { Some(one) } else { None })
        .collect();
    if found.is_empty() { Err(format!("{name} holds no certificate (PEM)")) } else { Ok(found) }
}

/// What failed, without what may be a secret: an address may hold one.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::BadUri(_) => "its address is none".to_owned(),
        // What TLS finds wrong with the other side comes as this; it names certificates, no address.
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => format!("TLS: {error}"),
        ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        ureq::Error::Tls(what) => format!("TLS: {what}"),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        ureq::Error::Protocol(_) => "the answer is no HTTP".to_owned(),
        _ => "the request failed".to_owned(),
    }
}
