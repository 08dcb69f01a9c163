//! `sapwood top`: a database at work, read from the endpoint of the process that has it open.
//!
//! | module | owns |
//! |---|---|
//! | `figures` | what two looks at the endpoint say: rates, latencies, what is held |
//! | `draw` | figures on a screen |

mod draw;
mod figures;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, path::Path, thread, time::Duration};

use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};

use self::figures::Figures;
use crate::{
    args::TopArgs,
    failure::{Failure, Result},
    render,
    scrape::Scrape,
};

/// Looks that the picture of commits goes back.
const LOOKS: usize = 512;
/// The size of what `--once` prints, in characters.
const PRINTED: (u16, u16) = (120, 37);

/// What is shown.
struct View {
    /// Who is watched, for the head.
    title: String,
    figures: Figures,
    /// Commits a second, the newest last.
    commits: VecDeque<u64>,
    /// Why the last look failed.
    failure: Option<String>,
}

impl View {
    fn new(title: String, figures: Figures) -> Self {
        let mut view = Self {
            title,
            figures: Figures::default(),
            commits: VecDeque::new(),
            failure: None,
        };
        view.show(figures);
        view
    }

    fn show(&mut self, figures: Figures) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a picture of a rate, which is not negative"
        )]
        self.commits.push_back(figures.commits.round() as u64);
        if self.commits.len() > LOOKS {
            self.commits.pop_front();
        }
        self.figures = figures;
        self.failure = None;
    }
}

/// Watches until somebody types `q`, or once.
pub(crate) fn run(args: &TopArgs, db: Option<&Path>) -> Result<()> {
    if let Some(db) = db {
        return Err(Failure::invalid(format!(
            "{} is open in one process at a time: watch that one, by --url and without --db; \
             stats shows what a database that is not open holds",
            db.display()
        ))
        .unusable());
    }
    let first = Scrape::fetch(&args.url)?;
    let stores = first.stores();
    let store = match &args.store {
        Some(store) if stores.contains(store) => store.clone(),
        Some(store) => {
            let message = format!("there is no store {store:?}; there are {stores:?}");
            return Err(Failure::new("not_found", message).unusable());
        }
        None => stores.first().cloned().unwrap_or_default(),
    };
    let title = format!("{store} at {}", args.url);
    let look = || Ok(Scrape::fetch(&args.url)?.of_store(&store));
    let first = first.of_store(&store);
    let interval = Duration::from_secs(args.interval);
    if args.once {
        thread::sleep(interval);
        let view = View::new(title, Figures::between(&first, &look()?));
        return render::print(&printed(&view)?);
    }
    if !render::is_watched() {
        let message = "top needs a terminal; with --once it prints one look";
        return Err(Failure::invalid(message).unusable());
    }
    let view = View::new(title, Figures::between(&first, &first));
    let failed = |error| Failure::io("the terminal fails", &error);
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let watched = watch(&mut terminal, view, first, interval, look);
    ratatui::restore();
    watched
}

/// Looks and draws, until somebody has seen enough.
fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    mut view: View,
    mut last: Scrape,
    interval: Duration,
    look: impl Fn() -> Result<Scrape>,
) -> Result<()> {
    let failed = |error| Failure::io("the terminal fails", &error);
    loop {
        terminal
            .draw(|frame| draw::draw(frame, &view))
            .map_err(failed)?;
        let next = last.at + interval;
        loop {
            let left = next.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() || !event::poll(left).map_err(failed)? {
                break;
            }
            match event::read().map_err(failed)? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    let is_break = key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                        KeyCode::Char('c') if is_break => return Ok(()),
                        _ => {}
                    }
                }
                Event::Resize(..) => {
                    terminal
                        .draw(|frame| draw::draw(frame, &view))
                        .map_err(failed)?;
                }
                _ => {}
            }
        }
        match look() {
            Ok(now) => {
                view.show(Figures::between(&last, &now));
                last = now;
            }
            // The process may come back.
            Err(failure) => {
                view.failure = Some(failure.message);
                last.at = std::time::Instant::now();
            }
        }
    }
}

/// What a screen would show, as lines.
fn printed(view: &View) -> Result<String> {
    let (width, height) = PRINTED;
    let never = |error: std::convert::Infallible| Failure::new("io", error.to_string());
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(never)?;
    terminal
        .draw(|frame| draw::draw(frame, view))
        .map_err(never)?;
    Ok(lines(terminal.backend().buffer()).join("\n"))
}

/// The lines of a screen, without the blanks at their ends.
fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width).max(1);
    let rows = buffer.content().chunks(width);
    let rows = rows.map(|row| {
        row.iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect::<String>()
    });
    rows.map(|row| row.trim_end().to_owned()).collect()
}
