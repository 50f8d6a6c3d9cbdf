//! Holds an engine at a named point until the test lets it go on: a run that lasts as long as a test needs it to.
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// An engine that is started with [`Gate::fault`] in `CRM_CONSOLE_FAULT` waits at its point.
pub struct Gate {
    path: PathBuf,
    point: String,
    opened: Receiver<File>,
    held: Option<File>,
}

impl Gate {
    /// A gate at a point of the run; `dir` is where its pipe is made.
    pub fn new(dir: &Path, point: &str) -> Self {
        let path = dir.join("gate");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe can be made");
        let (sender, opened) = channel();
        let pipe = path.clone();
        // Opening the writing end waits for the engine to open the reading end.
        std::thread::spawn(move || {
            if let Ok(file) = OpenOptions::new().write(true).open(pipe) {
                let _ = sender.send(file);
            }
        });
        Self { path, point: point.to_owned(), opened, held: None }
    }
    /// The value of `CRM_CONSOLE_FAULT`.
    pub fn fault(&self) -> String {
        format!("hold-at:{}={}", self.point, self.path.display())
    }
    /// Waits until the engine stands at the gate.
    #[track_caller]
    pub fn reached(&mut self) {
        let patience = Duration::from_secs(120);
        self.held = Some(self.opened.recv_timeout(patience).expect("the engine comes to the gate"));
    }
    /// Lets the engine go on.
    pub fn open(&mut self) {
        // The pipe goes first: who passes the point again must not wait at it.
        let _ = std::fs::remove_file(&self.path);
        self.held = None;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}
