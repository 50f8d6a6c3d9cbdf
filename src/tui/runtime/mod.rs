//! The loop that ties the app to a terminal. The only place of this crate that does anything.
use std::fs;
use std::io;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crm_core::workspace::Workspace;
use crm_core::{Error, Result};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

mod input;
mod jobs;
mod latency;
#[cfg(test)]
mod safety;
mod signals;
mod sync;
mod terminal;
mod work;

use crate::app::App;
use crate::app::msg::{Effect, Msg};
use crate::app::screens::ScreenId;
use crate::app::session::Session;
use crate::view::{self, Look, Palette};
use jobs::Jobs;
use latency::Latency;
use terminal::FrameWriter;

/// Exit code when the terminal is gone.
const LOST: i32 = 129;
/// Frames that answer keys come at most this often.
const KEY_FRAME: Duration = Duration::from_millis(33);
/// Frames that only show progress come at most this often over SSH.
const SSH_FRAME: Duration = Duration::from_millis(100);

/// Ground of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeChoice {
    /// By `COLORFGBG`, else dark. The terminal is never asked.
    #[default]
    Auto,
    /// Light ground.
    Light,
    /// Dark ground.
    Dark,
}

/// How the screen is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Screen to begin with, by name (`data`, `map` …); None: where the last session was.
    pub screen: Option<String>,
    /// Borders and marks of ASCII alone, whatever the locale.
    pub ascii: bool,
    /// No colours; `NO_COLOR` does the same.
    pub no_colour: bool,
    /// Light or dark ground.
    pub theme: ThemeChoice,
    /// Mouse reporting from the start.
    pub mouse: bool,
}

/// What the loop waits for.
#[derive(Debug)]
enum Event {
    /// From the terminal, with the time it came in.
    Input(Instant, Msg),
    /// From a job.
    Job(Msg),
    /// The terminal has this size now.
    Resized(u16, u16),
    /// The process goes on after a stop.
    Continued,
    /// Asked to end.
    Terminate,
    /// The terminal is gone.
    Lost,
}

/// Why a frame is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    No,
    Progress,
    Key,
}

impl Options {
    fn look(&self) -> Look {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let palette = if self.no_colour || set("NO_COLOR") {
            Palette::None
        } else if self.theme == ThemeChoice::Light || (self.theme == ThemeChoice::Auto && ground_is_light()) {
            Palette::Light
        } else {
            Palette::Dark
        };
        let ascii_text = !locale_is_utf8();
        Look { ascii_text, ..Look::new(palette, self.ascii || ascii_text) }
    }
}

/// `COLORFGBG` ends with the number of the ground's colour; 7 and 15 are white.
fn ground_is_light() -> bool {
    let value = std::env::var("COLORFGBG").unwrap_or_default();
    matches!(value.rsplit(';').next(), Some("7" | "15"))
}

fn locale_is_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_default()
        .to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Opens the screen on a project and answers the exit code. Comes back when the operator leaves; when the terminal is
/// lost, the session is saved and the process ends with 129.
pub fn run(workspace: Workspace, options: &Options) -> Result<u8> {
    if !input::has_terminal() {
        return Err(Error::usage("the screen needs a terminal").advise("run a command instead: crm-console --help"));
    }
    let screen = match &options.screen {
        Some(name) => Some(ScreenId::named(name).ok_or_else(|| {
            let names: Vec<String> = ScreenId::ALL.iter().map(|id| id.name().to_lowercase()).collect();
            Error::usage(format!("no screen '{name}'")).advise(format!("there are {}", names.join(", ")))
        })?),
        None => None,
    };
    let session_file = workspace.state_dir().join("session.json");
    let mut session = read_session(&session_file);
    session.mouse |= options.mouse;
    let app = App::new(workspace.project().clone(), screen, session);
    let failed = |error: io::Error| Error::platform(format!("the terminal failed: {error}"));

    // NO_COLOR makes crossterm drop reverse and bold too, and with them the selection: the theme does without colours.
    crossterm::style::force_color_output(true);
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(|info| {
        // A panic's message may quote a cell; its place is enough. Workers' panics are caught and told by the app.
        if std::thread::current().name() == Some("main") {
            terminal::leave();
            eprintln!("crm-console: a mistake of the program at {}", place(info));
        }
    }));
    let result = terminal::enter(app.shared.mouse).map_err(failed).and_then(|()| {
        let _guard = terminal::Guard;
        let (sender, events) = mpsc::channel();
        let mut jobs = Jobs::new(workspace, sender.clone());
        signals::listen(sender.clone()).map_err(failed)?;
        let input = std::thread::Builder::new().name("input".into());
        input.spawn(move || input::listen(&sender)).map_err(failed)?;
        Loop::new(app, options.look(), session_file)?.run(&events, &mut jobs).map_err(failed)
    });
    panic::set_hook(default_hook);
    result
}

fn place(info: &panic::PanicHookInfo) -> String {
    info.location().map_or_else(|| "an unknown place".into(), ToString::to_string)
}

fn read_session(path: &Path) -> Session {
    fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

struct Loop {
    app: App,
    look: Look,
    terminal: Terminal<CrosstermBackend<FrameWriter>>,
    writer: FrameWriter,
    session_file: PathBuf,
    latency: Latency,
    latency_file: Option<PathBuf>,
    /// Tests wait for the title to say `idle N`, N being the keys handled so far.
    marks_idle: bool,
    /// The window's title as it was set last.
    title: String,
    keys: u64,
    due: Due,
    last_frame: Option<Instant>,
    last_tick: Instant,
    over_ssh: bool,
    mouse: bool,
}

impl Loop {
    fn new(app: App, look: Look, session_file: PathBuf) -> Result<Self> {
        let writer = FrameWriter::default();
        let terminal = Terminal::new(CrosstermBackend::new(writer.clone()))
            .map_err(|error| Error::platform(format!("the terminal failed: {error}")))?;
        Ok(Self {
            mouse: app.shared.mouse,
            app,
            look,
            terminal,
            writer,
            session_file,
            latency: Latency::default(),
            latency_file: std::env::var_os("CRM_CONSOLE_LATENCY").map(PathBuf::from),
            marks_idle: std::env::var_os("CRM_CONSOLE_IDLE").is_some(),
            title: String::new(),
            keys: 0,
            due: Due::Key,
            last_frame: None,
            last_tick: Instant::now(),
            over_ssh: std::env::var_os("SSH_CONNECTION").is_some(),
        })
    }

    fn run(mut self, events: &Receiver<Event>, jobs: &mut Jobs) -> io::Result<u8> {
        let size = self.terminal.size()?;
        let effects = self.app.start();
        let mut more = self.app.update(Msg::Resize(size.width, size.height));
        more.splice(0..0, effects);
        if let Some(code) = self.carry_out(more, jobs)? {
            return Ok(code);
        }
        loop {
            match events.recv_timeout(self.wait()) {
                Ok(event) => {
                    if let Some(code) = self.handle(event, jobs)? {
                        return Ok(code);
                    }
                    // Keys that are there already are worth one frame, not one each.
                    while let Ok(event) = events.try_recv() {
                        if let Some(code) = self.handle(event, jobs)? {
                            return Ok(code);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(self.end()),
            }
            if self.last_tick.elapsed() >= self.app.watch_every() {
                self.last_tick = Instant::now();
                // It only asks; what there is to see comes with the answers.
                self.turn(Msg::Tick, Due::No, jobs)?;
            }
            if self.due != Due::No && self.frame_wait().is_zero() {
                self.draw()?;
            }
        }
    }

    /// How long until something is to be done without an event.
    fn wait(&self) -> Duration {
        let tick = self.app.watch_every().saturating_sub(self.last_tick.elapsed());
        if self.due == Due::No { tick } else { tick.min(self.frame_wait()) }
    }

    fn frame_wait(&self) -> Duration {
        let apart = if self.due == Due::Progress && self.over_ssh { SSH_FRAME } else { KEY_FRAME };
        self.last_frame.map_or(Duration::ZERO, |last| apart.saturating_sub(last.elapsed()))
    }

    fn handle(&mut self, event: Event, jobs: &mut Jobs) -> io::Result<Option<u8>> {
        match event {
            Event::Input(at, msg) => {
                self.latency.key(at);
                self.keys += 1;
                self.turn(msg, Due::Key, jobs)
            }
            Event::Job(msg) => {
                let due = if matches!(msg, Msg::Progress(..)) { Due::Progress } else { Due::Key };
                self.turn(msg, due, jobs)
            }
            Event::Resized(columns, rows) => self.turn(Msg::Resize(columns, rows), Due::Key, jobs),
            Event::Continued => {
                self.repaint()?;
                Ok(None)
            }
            Event::Terminate => Ok(Some(self.end())),
            Event::Lost => {
                self.end();
                // The terminal must not be touched any more: dropping ratatui's panics on a dead one.
                std::process::exit(LOST);
            }
        }
    }

    fn turn(&mut self, msg: Msg, due: Due, jobs: &mut Jobs) -> io::Result<Option<u8>> {
        let effects = self.app.update(msg);
        self.due = self.due.max(due);
        self.carry_out(effects, jobs)
    }

    fn carry_out(&mut self, effects: Vec<Effect>, jobs: &mut Jobs) -> io::Result<Option<u8>> {
        for effect in effects {
            match effect {
                Effect::Ask(ticket, request) => jobs.submit(ticket, request),
                Effect::Cancel(lane) => jobs.cancel(lane),
                Effect::Copy(text) => self.write(&terminal::clipboard(&text))?,
                Effect::Mouse(on) => {
                    self.mouse = on;
                    terminal::set_mouse(on)?;
                }
                Effect::Suspend => {
                    terminal::leave();
                    signals::suspend()?;
                    terminal::enter(self.mouse)?;
                    self.title.clear();
                    self.repaint()?;
                }
                Effect::Repaint => self.repaint()?,
                Effect::Bell => self.write(b"\x07")?,
                Effect::Quit => return Ok(Some(self.end())),
            }
        }
        Ok(None)
    }

    /// `Terminal::clear` would ask the terminal for its cursor and may wait for the answer; `resize` just draws anew.
    fn repaint(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(ratatui::layout::Rect::new(0, 0, size.width, size.height))?;
        self.due = Due::Key;
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        let (app, look) = (&self.app, &self.look);
        self.terminal.draw(|frame| view::draw(frame, app, look))?;
        let mut bytes = self.writer.take_frame().unwrap_or_default();
        let mut title = self.app.title();
        if self.marks_idle {
            title += &if self.app.is_busy() { " busy".to_owned() } else { format!(" idle {}", self.keys) };
        }
        if title != self.title {
            bytes.extend(terminal::title(&title));
            self.title = title;
        }
        self.write(&bytes)?;
        self.latency.frame();
        self.due = Due::No;
        self.last_frame = Some(Instant::now());
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match terminal::write_all(bytes) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                self.end();
                std::process::exit(LOST);
            }
            other => other,
        }
    }

    /// Keeps what the next program picks up.
    fn end(&self) -> u8 {
        let written = (|| {
            let folder = self.session_file.parent()?;
            make_private(folder).ok()?;
            let text = serde_json::to_vec_pretty(&self.app.session()).ok()?;
            let temporary = folder.join(format!("session.{}.new", std::process::id()));
            fs::write(&temporary, text).ok()?;
            fs::rename(&temporary, &self.session_file).ok()
        })();
        // A project that cannot be written to has no session; that must not keep anybody from leaving.
        let _ = written;
        if let Some(path) = &self.latency_file {
            let _ = fs::write(path, self.latency.report());
        }
        0
    }
}

/// The state folder holds copies of data: nobody else may read it.
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
