//! Telling somebody outside over HTTP. The client is no part of the core; a sync loop is given it.
use std::path::Path;
use std::time::Duration;

/// A POST of JSON.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Where to.
    pub url: &'a str,
    /// A header beside the usual ones, with what stands in it.
    pub header: Option<(&'a str, &'a str)>,
    /// The JSON.
    pub body: &'a str,
    /// Longest time that all of it may take.
    pub timeout: Duration,
    /// Certificates (PEM) that the other side's is trusted by; None: the usual ones.
    pub ca_file: Option<&'a Path>,
}

/// Sends it. Answers the HTTP status; else what failed, in words without the address and the header.
pub type Post = fn(&Call<'_>) -> Result<u16, String>;
