//! The terminal: taken and given back, and written to once a frame.
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::queue;
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// Synchronized output (DEC 2026): the terminal shows a frame whole. Terminals that do not know it ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
/// The window title that was there before is put aside, and comes back at the end. Terminals that keep none ignore it.
const KEEP_TITLE: &[u8] = b"\x1b[22;2t";
const GIVE_TITLE_BACK: &[u8] = b"\x1b[23;2t";
/// It is put aside: it is given back once, however often the terminal is.
static TITLE_KEPT: AtomicBool = AtomicBool::new(false);
/// What ratatui queues for a frame in which no cell differs.
const NOTHING: &[u8] = b"\x1b[?25l";
/// What stands before it where colours are forced.
const RESET: &[u8] = b"\x1b[39m\x1b[49m\x1b[59m\x1b[0m";

/// Gathers a frame and writes it in one go. ratatui's own flushes do nothing: a frame took 14 writes with them.
/// Clones gather into the same frame: ratatui's backend holds one, the loop another.
#[derive(Debug, Clone, Default)]
pub(super) struct FrameWriter {
    pending: Rc<RefCell<Vec<u8>>>,
}

impl Write for FrameWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FrameWriter {
    /// Takes what was gathered, wrapped as one frame; None if there is nothing to show.
    pub(super) fn take_frame(&self) -> Option<Vec<u8>> {
        let pending = self.pending.take();
        let shown = pending.strip_prefix(RESET).unwrap_or(&pending);
        if pending.is_empty() || shown == NOTHING {
            return None;
        }
        Some([BEGIN, &pending, END].concat())
    }
}

/// Writes all bytes to the terminal, waiting where it takes no more.
pub(super) fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let stdout = io::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(&stdout, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut fds = [rustix::event::PollFd::new(&stdout, rustix::event::PollFlags::OUT)];
                rustix::event::poll(&mut fds, None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Raw mode, the alternate screen, pasted text in brackets.
pub(super) fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    let mut bytes = if TITLE_KEPT.swap(true, Ordering::Relaxed) { Vec::new() } else { KEEP_TITLE.to_vec() };
    queue!(bytes, EnterAlternateScreen, EnableBracketedPaste, Hide, Clear(ClearType::All))?;
    write_all(&bytes)?;
    set_mouse(mouse)
}

/// Mouse reporting on or off.
pub(super) fn set_mouse(on: bool) -> io::Result<()> {
    let mut bytes = Vec::new();
    if on {
        queue!(bytes, EnableMouseCapture)?;
    } else {
        queue!(bytes, DisableMouseCapture)?;
    }
    write_all(&bytes)
}

/// Gives the terminal back as it was. May be called twice.
pub(super) fn leave() {
    let mut bytes = Vec::new();
    let queued = queue!(
        bytes,
        DisableMouseCapture,
        DisableBracketedPaste,
        SetAttribute(Attribute::Reset),
        LeaveAlternateScreen,
        Show
    );
    if TITLE_KEPT.swap(false, Ordering::Relaxed) {
        bytes.extend(GIVE_TITLE_BACK);
    }
    if queued.is_ok() {
        // A terminal that is gone cannot be given back.
        let _ = write_all(&bytes);
    }
    let _ = disable_raw_mode();
}

/// Gives the terminal back when dropped, also while a panic unwinds.
#[derive(Debug)]
pub(super) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

/// OSC 52: the terminal's clipboard, over SSH too.
pub(super) fn clipboard(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    format!("\x1b]52;c;{encoded}\x07").into_bytes()
}

/// OSC 2: the window title. Names of mappings stand in it, so it is made safe here.
pub(super) fn title(text: &str) -> Vec<u8> {
    format!("\x1b]2;{}\x07", crm_core::table::text::sanitize_ascii(text)).into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_frame_is_wrapped_and_an_empty_one_is_none() {
        let mut writer = FrameWriter::default();
        assert_eq!(writer.take_frame(), None);
        writer.write_all(NOTHING).unwrap();
        assert_eq!(writer.take_frame(), None);
        let mut terminal = ratatui::Terminal::with_options(
            ratatui::backend::CrosstermBackend::new(writer.clone()),
            ratatui::TerminalOptions { viewport: ratatui::Viewport::Fixed(ratatui::layout::Rect::new(0, 0, 4, 1)) },
        )
        .unwrap();
        terminal.draw(|frame| frame.buffer_mut().set_string(0, 0, "same", ratatui::style::Style::new())).unwrap();
        assert!(writer.take_frame().is_some());
        terminal.draw(|frame| frame.buffer_mut().set_string(0, 0, "same", ratatui::style::Style::new())).unwrap();
        assert_eq!(writer.take_frame(), None, "no cell differs");
        writer.write_all(b"x").unwrap();
        writer.flush().unwrap();
        assert_eq!(writer.take_frame().unwrap(), b"\x1b[?2026hx\x1b[?2026l");
        assert_eq!(writer.take_frame(), None);
    }

    #[test]
    fn copied_text_goes_out_as_base64() {
        assert_eq!(clipboard("a\x1b"), b"\x1b]52;c;YRs=\x07");
    }
}
