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
    let (run, attempt) = (run.0, run.1.to_string());
    spawn(program, &["engine", "--run", run, "--attempt", &attempt], root, env, &run_dir.join("engine.log"))
}

/// Starts `PROGRAM engine --sync [MAPPING…] -C ROOT [--env ENV]` in the same way; what it says goes to `log`.
pub(crate) fn spawn_loop(
    program: &Path,
    root: &Path,
    env: Option<&str>,
    mappings: &[String],
    log: &Path,
) -> Result<u32> {
    let mut arguments = vec!["engine", "--sync"];
    arguments.extend(mappings.iter().map(String::as_str));
    spawn(program, &arguments, root, env, log)
}

fn spawn(program: &Path, arguments: &[&str], root: &Path, env: Option<&str>, log: &Path) -> Result<u32> {
    let fail = |error: std::io::Error| Error::io("write", log, &error);
    let file = File::options().create(true).append(true).open(log).map_err(fail)?;
    let mut command = Command::new(program);
    command.args(arguments).arg("-C").arg(root).env_remove(ENVIRONMENT);
    if let Some(env) = env {
        command.args(["--env", env]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(fail)?)
        .stderr(file)
        .spawn()
        .map_err(|error| Error::io("start the engine", program, &error))?;
    let pid = child.id();
    // Whoever starts a process must ask for its end, or a zombie stays as long as the screen lives.
    let reaper = std::thread::Builder::new().name("reaper".to_owned()).spawn(move || child.wait());
    reaper.map_err(|error| Error::platform(format!("cannot watch the engine process: {error}")))?;
    Ok(pid)
}
