//! Starting the engine as a process of its own.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Names the program to start as engine; default: the running one.
const PROGRAM: &str = "CRM_CONSOLE_BIN";
/// Environment variable that names an environment of the project; the run's own counts, not that of the shell.
const ENVIRONMENT: &str = "CRM_CONSOLE_ENV";

/// The program that the engine is started from: `CRM_CONSOLE_BIN`, else the running one.
pub(crate) fn engine_program() -> Result<PathBuf> {
    match std::env::var_os(PROGRAM).filter(|path| !path.is_empty()) {
        Some(path) => Ok(path.into()),
        None => std::env::current_exe().map_err(|error| {
            Error::platform(format!("cannot find the program that is running: {error}"))
                .advise(format!("set {PROGRAM} to the path of crm-console"))
        }),
    }
}

/// Starts `PROGRAM engine --run ID --attempt N -C ROOT [--env ENV]`, without a terminal; what it says goes to `engine.log` in
/// the run's folder, behind what earlier attempts said. It makes a session of its own when it starts, so it outlives this process and its terminal. Answers its pid.
pub(crate) fn spawn_engine(
    program: &Path,
    root: &Path,
    env: Option<&str>,
    run: (&str, u32),
    run_dir: &Path,
) -> Result<u32> {
    let path = run_dir.join("engine.log");
    let fail = |error: std::io::Error| Error::io("write", &path, &error);
    let log = File::options().create(true).append(true).open(&path).map_err(fail)?;
    let (run, attempt) = (run.0, run.1.to_string());
    let mut command = Command::new(program);
    command.args(["engine", "--run", run, "--attempt", &attempt, "-C"]).arg(root).env_remove(ENVIRONMENT);
    if let Some(env) = env {
        command.args(["--env", env]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(fail)?)
        .stderr(log)
        .spawn()
        .map_err(|error| Error::io("start the engine", program, &error))?;
    let pid = child.id();
    // Whoever starts a process must ask for its end, or a zombie stays as long as the screen lives.
    let reaper = std::thread::Builder::new().name("reaper".to_owned()).spawn(move || child.wait());
    reaper.map_err(|error| Error::platform(format!("cannot watch the engine process: {error}")))?;
    Ok(pid)
}
