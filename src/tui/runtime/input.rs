//! The input thread: waits for the terminal, sees when it is gone, and puts together what the network tore apart.
use std::io::IsTerminal;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crossterm::event::{Event as TermEvent, KeyCode as TermCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::event::{MouseButton, MouseEventKind};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::Event;
use crate::app::key::{Key, KeyCode};
use crate::app::msg::{Mouse, Msg};

/// How long the rest of an escape sequence may take to come.
const SEQUENCE_GAP: Duration = Duration::from_millis(40);

/// Puts arrow keys together that came as `ESC` and `[A` in two packets. Pure: time comes in as `expire`.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    /// Keys after an `ESC` that may become a sequence, the `ESC` included.
    held: Vec<Key>,
}

impl Reassembler {
    /// A key came in; answers the keys that are certain now.
    pub(super) fn feed(&mut self, key: Key) -> Vec<Key> {
        if self.held.is_empty() {
            if key == Key::plain(KeyCode::Esc) {
                self.held.push(key);
                return Vec::new();
            }
            return vec![key];
        }
        let Some(char) = key.typed() else {
            let mut out = self.expire();
            out.extend(self.feed(key));
            return out;
        };
        if self.held.len() == 1 {
            if char == '[' || char == 'O' {
                self.held.push(key);
                return Vec::new();
            }
            let mut out = self.expire();
            out.push(key);
            return out;
        }
        self.held.push(key);
        // A sequence ends with a letter or a tilde; what stands between are numbers.
        if char.is_ascii_digit() || char == ';' {
            return if self.held.len() > 12 { self.expire() } else { Vec::new() };
        }
        let body: String = self.held[2..].iter().filter_map(|key| key.typed()).collect();
        match sequence(&body) {
            Sequence::Key(code) => {
                self.held.clear();
                vec![Key::plain(code)]
            }
            Sequence::Nothing => {
                self.held.clear();
                Vec::new()
            }
            Sequence::Unknown => self.expire(),
        }
    }
    /// Nothing more came in time: what was held were keys.
    pub(super) fn expire(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.held)
    }
    /// Something is held.
    pub(super) fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }
}

/// What a sequence stands for.
enum Sequence {
    Key(KeyCode),
    /// It is one, but no key.
    Nothing,
    /// It is none.
    Unknown,
}

/// What a sequence's body (`A`, `5~`, `1;2B`) stands for.
fn sequence(body: &str) -> Sequence {
    let number = body.split(['~', ';']).next().unwrap_or("");
    Sequence::Key(match (body.chars().last(), number) {
        (Some('A'), _) => KeyCode::Up,
        (Some('B'), _) => KeyCode::Down,
        (Some('C'), _) => KeyCode::Right,
        (Some('D'), _) => KeyCode::Left,
        (Some('H'), _) | (Some('~'), "1" | "7") => KeyCode::Home,
        (Some('F'), _) | (Some('~'), "4" | "8") => KeyCode::End,
        (Some('Z'), _) => KeyCode::BackTab,
        (Some('P'), _) => KeyCode::F(1),
        (Some('Q'), _) => KeyCode::F(2),
        (Some('~'), "3") => KeyCode::Delete,
        (Some('~'), "5") => KeyCode::PageUp,
        (Some('~'), "6") => KeyCode::PageDown,
        (Some('~' | 'M' | 'm' | 'I' | 'O' | 'R'), _) => return Sequence::Nothing,
        _ => return Sequence::Unknown,
    })
}

/// What a crossterm key is to the app; None for releases and keys that mean nothing here.
fn translate(key: KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let code = match key.code {
        TermCode::Char(char) => KeyCode::Char(char),
        TermCode::Enter => KeyCode::Enter,
        TermCode::Esc => KeyCode::Esc,
        TermCode::Backspace => KeyCode::Backspace,
        TermCode::Tab => KeyCode::Tab,
        TermCode::BackTab => KeyCode::BackTab,
        TermCode::Up => KeyCode::Up,
        TermCode::Down => KeyCode::Down,
        TermCode::Left => KeyCode::Left,
        TermCode::Right => KeyCode::Right,
        TermCode::Home => KeyCode::Home,
        TermCode::End => KeyCode::End,
        TermCode::PageUp => KeyCode::PageUp,
        TermCode::PageDown => KeyCode::PageDown,
        TermCode::Delete => KeyCode::Delete,
        TermCode::F(number) => KeyCode::F(number),
        _ => return None,
    };
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    // Ctrl-J is what a pasted or a fast line end looks like in raw mode.
    if ctrl && code == KeyCode::Char('j') {
        return Some(Key::plain(KeyCode::Enter));
    }
    Some(Key { code, ctrl, alt: key.modifiers.contains(KeyModifiers::ALT) })
}

fn mouse(event: crossterm::event::MouseEvent) -> Option<Mouse> {
    match event.kind {
        MouseEventKind::ScrollUp => Some(Mouse::WheelUp),
        MouseEventKind::ScrollDown => Some(Mouse::WheelDown),
        MouseEventKind::Down(MouseButton::Left) => Some(Mouse::Press(event.column, event.row)),
        _ => None,
    }
}

/// What poll saw on the terminal.
enum Ready {
    Input,
    Nothing,
    Gone,
}

/// Waits for input, at most `timeout`. Crossterm is asked only when there is some: its own poll never comes back from a
/// terminal that hung up, and burns a core.
fn wait(timeout: Option<Duration>) -> Ready {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match rustix::event::poll(&mut fds, timeout.as_ref()) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ready::Nothing,
        Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => Ready::Gone,
        Ok(_) => Ready::Input,
        Err(_) => Ready::Gone,
    }
}

/// Reads until the terminal is gone or nobody listens.
pub(super) fn listen(events: &Sender<Event>) {
    let mut keys = Reassembler::default();
    let send = |msg: Msg| events.send(Event::Input(Instant::now(), msg)).is_ok();
    loop {
        match wait(keys.is_waiting().then_some(SEQUENCE_GAP)) {
            Ready::Gone => {
                let _ = events.send(Event::Lost);
                return;
            }
            Ready::Nothing => {
                if !keys.expire().into_iter().all(|key| send(Msg::Key(key))) {
                    return;
                }
            }
            Ready::Input => {
                while crossterm::event::poll(Duration::from_millis(1)).unwrap_or(false) {
                    let Ok(event) = crossterm::event::read() else { break };
                    let alive = match event {
                        TermEvent::Key(key) => match translate(key) {
                            Some(key) => keys.feed(key).into_iter().all(|key| send(Msg::Key(key))),
                            None => true,
                        },
                        TermEvent::Paste(text) => send(Msg::Paste(text)),
                        TermEvent::Mouse(event) => mouse(event).is_none_or(|mouse| send(Msg::Mouse(mouse))),
                        TermEvent::Resize(columns, rows) => events.send(Event::Resized(columns, rows)).is_ok(),
                        _ => true,
                    };
                    if !alive {
                        return;
                    }
                }
            }
        }
    }
}

/// Both ends are a terminal.
pub(super) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(keys: &str) -> Vec<Key> {
        let mut reassembler = Reassembler::default();
        let mut out = Vec::new();
        for char in keys.chars() {
            out.extend(reassembler.feed(if char == '\u{1b}' { Key::plain(KeyCode::Esc) } else { Key::char(char) }));
        }
        out.extend(reassembler.expire());
        out
    }

    #[test]
    fn torn_arrow_keys_are_put_together() {
        assert_eq!(feed("\u{1b}[A"), [Key::plain(KeyCode::Up)]);
        assert_eq!(feed("\u{1b}OB"), [Key::plain(KeyCode::Down)]);
        assert_eq!(feed("\u{1b}[6~x"), [Key::plain(KeyCode::PageDown), Key::char('x')]);
        assert_eq!(feed("\u{1b}[1;5C"), [Key::plain(KeyCode::Right)]);
        assert_eq!(feed("\u{1b}[200~"), []);
    }

    #[test]
    fn an_escape_of_its_own_stays_one() {
        assert_eq!(feed("\u{1b}"), [Key::plain(KeyCode::Esc)]);
        assert_eq!(feed("\u{1b}q"), [Key::plain(KeyCode::Esc), Key::char('q')]);
        assert_eq!(feed("\u{1b}\u{1b}[B"), [Key::plain(KeyCode::Esc), Key::plain(KeyCode::Down)]);
        assert_eq!(feed("\u{1b}[!"), [Key::plain(KeyCode::Esc), Key::char('['), Key::char('!')]);
        assert_eq!(feed("a[A"), [Key::char('a'), Key::char('['), Key::char('A')]);
    }
}
