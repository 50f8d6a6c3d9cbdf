//! Running the program without a screen.
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What a command answered.
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    /// stdout as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}\nstderr: {}", self.out, self.err))
    }
    /// stdout as JSON lines.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }
    /// Fails with both outputs unless the exit code is this.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code; stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// Runs `crm-console` with arguments in a folder.
pub fn run(dir: &Path, arguments: &[&str]) -> Answer {
    run_with(dir, arguments, &[])
}

/// Runs `crm-console` with more environment.
pub fn run_with(dir: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Answer {
    let Output { status, stdout, stderr } = Command::new(super::program())
        .args(arguments)
        .envs(env.iter().copied())
        .env_remove("CRM_CONSOLE_ENV")
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    Answer {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8(stdout).expect("stdout is UTF-8"),
        err: String::from_utf8(stderr).expect("stderr is UTF-8"),
    }
}

/// A fresh folder with the sample project in it.
pub fn demo() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    run(dir.path(), &["demo", ".", "--no-open"]).expect(0);
    dir
}

/// A fresh folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders can be made");
        std::fs::write(path, content).expect("files can be written");
    }
    dir
}
