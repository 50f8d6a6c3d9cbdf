//! A real terminal for tests: the program in a pty, its bytes through a terminal parser. Nothing here sleeps: every
//! wait is for a condition on the screen, woken by the reader thread.
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a condition may take before the test fails, generous for a busy machine with a debug build.
const PATIENCE: Duration = Duration::from_secs(120);

/// What reached the terminal beside cells.
#[derive(Debug, Default)]
pub struct Beside {
    /// Newest window title.
    pub title: String,
    /// Newest clipboard content, as base64.
    pub clipboard: String,
    /// Control bytes and sequences that no console screen should send.
    pub strange: Vec<String>,
}

impl vt100::Callbacks for Beside {
    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.title = String::from_utf8_lossy(title).into_owned();
    }
    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], data: &[u8]) {
        self.clipboard = String::from_utf8_lossy(data).into_owned();
    }
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.strange.push("bell".into());
    }
    fn visual_bell(&mut self, _: &mut vt100::Screen) {
        self.strange.push("visual bell".into());
    }
    fn resize(&mut self, _: &mut vt100::Screen, size: (u16, u16)) {
        self.strange.push(format!("resize {size:?}"));
    }
    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.strange.push("icon name".into());
    }
    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.strange.push("asks for the clipboard".into());
    }
    fn unhandled_char(&mut self, _: &mut vt100::Screen, c: char) {
        self.strange.push(format!("char {c:?}"));
    }
    fn unhandled_control(&mut self, _: &mut vt100::Screen, byte: u8) {
        self.strange.push(format!("control {byte:#04x}"));
    }
    fn unhandled_escape(&mut self, _: &mut vt100::Screen, a: Option<u8>, b: Option<u8>, c: u8) {
        self.strange.push(format!("escape {a:?} {b:?} {:?}", char::from(c)));
    }
    fn unhandled_csi(&mut self, _: &mut vt100::Screen, a: Option<u8>, b: Option<u8>, params: &[&[u16]], c: char) {
        // Synchronized output, focus and paste modes: the parser does not know them, the console uses them on purpose.
        let mode = params.first().and_then(|group| group.first()).copied().unwrap_or(0);
        let known = a == Some(b'?') && matches!(c, 'h' | 'l') && matches!(mode, 7 | 12 | 1004 | 1015 | 2004 | 2026);
        // 58 and 59 are the colour of underlines.
        let style = a.is_none() && c == 'm' && params.iter().all(|group| matches!(group.first(), Some(58 | 59)));
        // The window title is put aside at the start and given back at the end.
        let title = a.is_none() && c == 't' && matches!(mode, 22 | 23);
        if !known && !style && !title {
            self.strange.push(format!("csi {a:?} {b:?} {params:?} {c}"));
        }
    }
    fn unhandled_osc(&mut self, _: &mut vt100::Screen, params: &[&[u8]]) {
        let params: Vec<_> = params.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        self.strange.push(format!("osc {params:?}"));
    }
}

struct Shared {
    parser: Mutex<(vt100::Parser<Beside>, bool)>,
    changed: Condvar,
    /// The terminal is being closed under the program.
    closing: AtomicBool,
    /// Bytes that the program wrote.
    written: AtomicU64,
}

/// A terminal with the program in it. Dropped, the program is ended.
pub struct Terminal {
    shared: Arc<Shared>,
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    /// Keys sent so far.
    typed: u64,
}

/// How to start.
pub struct Start<'a> {
    /// Arguments of crm-console.
    pub arguments: Vec<String>,
    /// Columns and rows.
    pub size: (u16, u16),
    /// More environment.
    pub env: &'a [(&'a str, &'a str)],
}

impl Terminal {
    /// Starts the program on a project at a size.
    pub fn open(project: &Path, size: (u16, u16)) -> Self {
        let arguments = vec!["-C".to_owned(), project.display().to_string()];
        Self::start(&Start { arguments, size, env: &[] })
    }
    /// Starts the program.
    pub fn start(start: &Start<'_>) -> Self {
        let mut command = CommandBuilder::new(super::program());
        command.args(&start.arguments);
        Self::spawn(command, start)
    }
    /// Starts a shell with job control whose prompt is `shell> `; the program is started by typing.
    pub fn shell(size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new("sh");
        command.args(["-i", "-m"]);
        command.env("PS1", "shell> ");
        command.env_remove("ENV");
        Self::spawn(command, &Start { arguments: Vec::new(), size, env: &[] })
    }
    fn spawn(mut command: CommandBuilder, start: &Start<'_>) -> Self {
        let (cols, rows) = start.size;
        let pty = native_pty_system()
            .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
            .expect("a pty can be opened");
        for name in ["NO_COLOR", "SSH_CONNECTION", "COLORFGBG", "CRM_CONSOLE_ENV", "LC_ALL", "LC_CTYPE"] {
            command.env_remove(name);
        }
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("CRM_CONSOLE_IDLE", "1")] {
            command.env(name, value);
        }
        for (name, value) in start.env {
            command.env(name, value);
        }
        let child = pty.slave.spawn_command(command).expect("the program starts");
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().expect("the pty can be read");
        let writer = pty.master.take_writer().expect("the pty can be written");
        let parser = vt100::Parser::new_with_callbacks(rows, cols, 0, Beside::default());
        let shared = Arc::new(Shared {
            parser: Mutex::new((parser, false)),
            changed: Condvar::new(),
            closing: AtomicBool::new(false),
            written: AtomicU64::new(0),
        });
        let inner = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0_u8; 16 << 10];
            loop {
                let read = reader.read(&mut buffer).unwrap_or(0);
                let mut state = inner.parser.lock().expect("no test panics while it holds the screen");
                if read == 0 {
                    state.1 = true;
                } else {
                    state.0.process(&buffer[..read]);
                    inner.written.fetch_add(read as u64, Ordering::SeqCst);
                }
                inner.changed.notify_all();
                if read == 0 || inner.closing.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        Self { shared, child, master: Some(pty.master), writer: Some(writer), typed: 0 }
    }
    fn lock(&self) -> MutexGuard<'_, (vt100::Parser<Beside>, bool)> {
        self.shared.parser.lock().expect("the reader does not panic")
    }
    /// The screen as text.
    pub fn text(&self) -> String {
        self.lock().0.screen().contents()
    }
    /// Bytes that the program wrote so far.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::SeqCst)
    }
    /// Looks at the screen cell by cell.
    pub fn screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.lock().0.screen())
    }
    /// The newest window title.
    pub fn title(&self) -> String {
        self.lock().0.callbacks().title.clone()
    }
    /// Waits until the condition holds on the screen's text and title; fails with the screen when it does not.
    #[track_caller]
    pub fn wait(&self, what: &str, condition: impl Fn(&str, &Beside) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        let mut state = self.lock();
        loop {
            let text = state.0.screen().contents();
            if condition(&text, state.0.callbacks()) {
                return text;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !state.1 && !left.is_zero(),
                "waited for {what}; {}; title {:?}; the screen was:\n{text}",
                if state.1 { "the program ended" } else { "time is up" },
                state.0.callbacks().title
            );
            state = self.shared.changed.wait_timeout(state, left).expect("the reader does not panic").0;
        }
    }
    /// Waits for a text on the screen while the program has nothing left to do.
    #[track_caller]
    pub fn see(&self, text: &str) -> String {
        self.wait(&format!("{text:?}"), |screen, beside| screen.contains(text) && beside.title.contains("idle"))
    }
    /// Sends bytes as they are, in one write.
    pub fn send(&mut self, bytes: &[u8]) {
        let writer = self.writer.as_mut().expect("the terminal is open");
        writer.write_all(bytes).expect("the pty takes keys");
        writer.flush().expect("the pty takes keys");
    }
    /// Types keys: text, or names such as `<enter>`, `<esc>`, `<tab>`, `<up>`, `<c-r>`. After each key the program is
    /// waited for until it is idle again and has handled it: the title counts the keys.
    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        let handled = |beside: &Beside| beside.title.rsplit_once("idle ")?.1.parse::<u64>().ok();
        for key in split_keys(keys) {
            let known = handled(self.lock().0.callbacks()).unwrap_or(0);
            self.typed = self.typed.max(known) + 1;
            let wanted = self.typed;
            self.send(&key);
            self.wait(&format!("the frame after {:?}", String::from_utf8_lossy(&key)), |_, beside| {
                handled(beside).is_some_and(|keys| keys >= wanted)
            });
        }
    }
    /// Keys that were pressed by [`Terminal::keys`].
    pub fn typed(&self) -> u64 {
        self.typed
    }
    /// Changes the size of the terminal.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.lock().0.screen_mut().set_size(rows, cols);
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        self.master.as_ref().expect("the terminal is open").resize(size).expect("the pty can be resized");
    }
    /// What no console screen should have sent.
    pub fn strange(&self) -> Vec<String> {
        self.lock().0.callbacks().strange.clone()
    }
    /// Ends the program without a word (SIGKILL).
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
    /// Closes the terminal under the program and answers how it ended.
    pub fn hang_up(&mut self) -> u32 {
        // The reader holds the terminal too: it lets go at the next frame, and ^L asks for one.
        self.shared.closing.store(true, Ordering::SeqCst);
        self.send(b"\x0c");
        self.writer.take();
        self.master.take();
        self.child.wait().expect("the program can be waited for").exit_code()
    }
    /// Waits until all that the program wrote has been read, after it has ended.
    pub fn wait_for_end(&self) {
        let mut state = self.lock();
        while !state.1 {
            let (next, waited) = self.shared.changed.wait_timeout(state, PATIENCE).expect("the reader does not panic");
            assert!(!waited.timed_out(), "the terminal does not end");
            state = next;
        }
    }
    /// Waits for the program to end by itself.
    pub fn end(&mut self) -> u32 {
        self.child.wait().expect("the program can be waited for").exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.kill();
    }
}

fn split_keys(keys: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        if first == '<'
            && let Some(end) = rest.find('>')
            && let Some(bytes) = named(&rest[1..end])
        {
            found.push(bytes);
            rest = &rest[end + 1..];
            continue;
        }
        found.push(first.to_string().into_bytes());
        rest = &rest[first.len_utf8()..];
    }
    found
}

fn named(name: &str) -> Option<Vec<u8>> {
    let bytes: &[u8] = match name {
        "enter" => b"\r",
        "esc" => b"\x1b",
        "tab" => b"\t",
        "s-tab" => b"\x1b[Z",
        "bs" => b"\x7f",
        "space" => b" ",
        "up" => b"\x1b[A",
        "down" => b"\x1b[B",
        "right" => b"\x1b[C",
        "left" => b"\x1b[D",
        "home" => b"\x1b[H",
        "end" => b"\x1b[F",
        "pgup" => b"\x1b[5~",
        "pgdn" => b"\x1b[6~",
        "del" => b"\x1b[3~",
        _ => {
            let letter = name.strip_prefix("c-")?.bytes().next()?;
            return Some(vec![letter & 0x1f]);
        }
    };
    Some(bytes.to_vec())
}
