//! File systems that are full or read-only, in namespaces of their own.
use std::path::Path;
use std::process::Command;

use super::program;

/// Runs a shell script in the folder, in namespaces of its own where it may mount; None where the machine does not let us.
pub fn with_mounts(dir: &Path, script: &str) -> Option<String> {
    let unshare = |script: &str| {
        let arguments = ["--user", "--map-root-user", "--mount", "sh", "-euc", script];
        Command::new("unshare").args(arguments).current_dir(dir).env("PROGRAM", program()).output()
    };
    let probe = unshare("mkdir -p probe && mount -t tmpfs -o size=64k probe probe");
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("SKIPPED: no tmpfs can be mounted here (unshare --user --mount)");
        return None;
    }
    let output = unshare(script).unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "stdout:\n{out}\nstderr:\n{err}");
    Some(out.into_owned())
}
