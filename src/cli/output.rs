//! Where commands print: text for people (sanitised), JSON for machines, progress on stderr.
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crm_core::monitor::{CancelFlag, Monitor, Progress};
use crm_core::table::text::{fit, sanitize, seal, width};
use crm_core::{Error, Result};
use serde::Serialize;

use super::args::{Common, ProgressStyle};

/// stdout of a command, and how it tells progress.
pub(crate) struct Output {
    json: bool,
    style: ProgressStyle,
    plain: bool,
    out: io::BufWriter<io::Stdout>,
    cancel: CancelFlag,
}

impl Output {
    pub(crate) fn new(common: &Common) -> Self {
        Self {
            json: common.json.is_some(),
            style: common.progress,
            plain: common.plain,
            out: io::BufWriter::with_capacity(64 << 10, io::stdout()),
            cancel: CancelFlag::default(),
        }
    }
    /// JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }
    /// One line for people. Values are sanitised by the caller, so that two of them never look alike; whatever else is
    /// in the line, names of files, mappings and platforms, cannot steer the terminal either.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<()> {
        writeln!(self.out, "{}", seal(text.as_ref())).map_err(|error| broken(&error))
    }
    /// One line for people on stderr, behind what was answered so far: what is beside the answer.
    pub(crate) fn aside(&mut self, text: impl AsRef<str>) {
        let _ = self.out.flush();
        let _ = writeln!(io::stderr(), "{}", seal(text.as_ref()));
    }
    /// Bytes as they are: file contents, JSON that is streamed by hand.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| broken(&error))
    }
    /// One JSON document on a line of its own.
    pub(crate) fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| broken(&error.into()))?;
        self.out.write_all(b"\n").map_err(|error| broken(&error))
    }
    /// A table for people: columns as wide as their widest cell, the last cut to what is left of 100.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>], right: &[usize]) -> Result<()> {
        let mut widths: Vec<usize> = head.iter().map(|name| width(name)).collect();
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| sanitize(cell).into_owned()).collect()).collect();
        for row in &rows {
            for (column, cell) in row.iter().enumerate() {
                widths[column] = widths[column].max(width(cell)).min(48);
            }
        }
        let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
        for row in std::iter::once(&head).chain(&rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let cell = fit(cell, widths[column]);
                let gap = " ".repeat(widths[column].saturating_sub(width(&cell)));
                if column > 0 {
                    line.push_str("  ");
                }
                if right.contains(&column) {
                    line.push_str(&gap);
                    line.push_str(&cell);
                } else {
                    line.push_str(&cell);
                    line.push_str(&gap);
                }
            }
            self.line(line.trim_end())?;
        }
        Ok(())
    }
    /// The flag that Ctrl-C sets once there is a monitor.
    pub(crate) fn cancel_flag(&self) -> CancelFlag {
        self.cancel.clone()
    }
    /// A monitor for long work that tells progress as asked and stops on Ctrl-C.
    pub(crate) fn monitor(&self) -> Result<Console> {
        let cancel = self.cancel.clone();
        let flag = cancel.clone();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, flag.shared())
                .map_err(|error| Error::platform(format!("cannot listen for signals: {error}")))?;
        }
        let style = match self.style {
            ProgressStyle::Auto if self.plain || !io::stderr().is_terminal() => Style::Lines,
            ProgressStyle::Auto => Style::Moving,
            ProgressStyle::Json => Style::Json,
            ProgressStyle::None => Style::None,
        };
        Ok(Console { style, cancel, state: Mutex::new(None) })
    }
    /// Flushes, tells an error, and answers the exit code.
    pub(crate) fn finish(&mut self, answer: Result<u8>) -> u8 {
        let answer = answer.and_then(|code| self.out.flush().map(|()| code).map_err(|error| broken(&error)));
        match answer {
            Ok(code) => code,
            Err(error) if error.what() == CLOSED => 0,
            Err(error) => {
                let _ = self.out.flush();
                let _ = if self.json {
                    let document = serde_json::json!({"error": {
                        "kind": format!("{:?}", error.kind()).to_lowercase(), "what": error.what(),
                        "place": error.place(), "advice": error.advice(), "exit_code": error.kind().exit_code(),
                    }});
                    writeln!(io::stderr(), "{document}")
                } else {
                    let text: Vec<String> = error.to_string().lines().map(|line| sanitize(line).into_owned()).collect();
                    writeln!(io::stderr(), "crm-console: {}", text.join("\n"))
                };
                error.kind().exit_code()
            }
        }
    }
}

/// Marks a reader that went away (`| head`): not an error of ours.
const CLOSED: &str = "the reader of the output closed it";

fn broken(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Error::platform(CLOSED)
    } else {
        Error::platform(format!("cannot write the output: {error}"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Moving,
    Lines,
    Json,
    None,
}

/// What was told last, and when the step began.
struct Told {
    step: String,
    began: Instant,
    last: Instant,
}

/// Tells progress on stderr.
pub(crate) struct Console {
    style: Style,
    cancel: CancelFlag,
    state: Mutex<Option<Told>>,
}

impl Console {
    /// Ends a moving line.
    pub(crate) fn done(&self) {
        if self.style == Style::Moving {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.done();
    }
}

impl Monitor for Console {
    fn report(&self, progress: Progress) {
        let pause = match self.style {
            Style::None => return,
            Style::Moving => Duration::from_millis(100),
            Style::Json => Duration::from_millis(200),
            Style::Lines => Duration::from_secs(5),
        };
        let now = Instant::now();
        let Ok(mut state) = self.state.lock() else { return };
        let fresh = state.as_ref().is_none_or(|told| told.step != progress.step);
        if fresh {
            // The first word of a step on a plain log is its end or five seconds, whichever is first.
            let last = if self.style == Style::Lines { now } else { now.checked_sub(pause).unwrap_or(now) };
            *state = Some(Told { step: progress.step.clone(), began: now, last });
        }
        let Some(told) = state.as_mut() else { return };
        if now - told.last < pause {
            return;
        }
        told.last = now;
        let seconds = (now - told.began).as_secs_f64();
        let rate = if seconds > 0.2 { progress.done as f64 / seconds } else { 0.0 };
        let eta = progress
            .total
            .filter(|_| rate > 0.0)
            .map(|total| (total.saturating_sub(progress.done) as f64 / rate).ceil() as u64);
        let mut stderr = io::stderr().lock();
        let _ = match self.style {
            Style::Json => writeln!(
                stderr,
                "{}",
                serde_json::json!({"step": progress.step, "done": progress.done, "total": progress.total,
                    "rate": rate.round(), "eta_seconds": eta})
            ),
            Style::Moving => write!(stderr, "\r\x1b[K{}", fit(&sanitize(&describe(&progress, rate, eta)), 78)),
            _ => writeln!(stderr, "{}", sanitize(&describe(&progress, rate, eta))),
        };
        let _ = stderr.flush();
    }
    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

fn describe(progress: &Progress, rate: f64, eta: Option<u64>) -> String {
    let mut text = format!("{}: {}", progress.step, group(progress.done));
    if let Some(total) = progress.total.filter(|&total| total > 0) {
        text += &format!(" of {} ({} %)", group(total), progress.done * 100 / total);
    }
    if rate > 0.0 {
        text += &format!(", {}/s", group(rate as u64));
    }
    if let Some(eta) = eta.filter(|&eta| eta > 0) {
        text += &format!(", {eta} s left");
    }
    text
}

/// A size for people: `812 B`, `1.4 MB`.
pub(crate) fn bytes(count: u64) -> String {
    let mut size = count as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 999.5 {
            return if unit == "B" { format!("{count} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1_000.0;
    }
    format!("{size:.1} TB")
}

/// A count with thousands separated: 1,234,567.
pub(crate) fn group(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
