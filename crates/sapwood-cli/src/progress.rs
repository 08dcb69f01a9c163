//! Progress on standard error: bars, and for work of unknown length a line after a second; shown in a
//! terminal only, and gone when the work is done.

use std::{fmt::Write, time::Duration};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

const LATE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);
/// A bar over a part of 1 counts in these.
const PARTS: u64 = 1000;

/// Work of unknown length; cleared when dropped.
pub(crate) fn spinner(what: &'static str) -> Spinner {
    let style = ProgressStyle::with_template("{late}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .with_key("late", move |state: &ProgressState, out: &mut dyn Write| {
            if state.elapsed() >= LATE {
                let _ = write!(out, "{what} ({} s)", state.elapsed().as_secs());
            }
        });
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(TICK);
    Spinner(bar)
}

/// A spinner that is cleared when dropped.
#[derive(Debug)]
pub(crate) struct Spinner(ProgressBar);

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Work that counts items.
pub(crate) fn items(what: &'static str, length: u64) -> ProgressBar {
    styled(length, what, "{what} {wide_bar:.green} {pos}/{len} {eta}")
}

/// Work that counts bytes of a file.
pub(crate) fn bytes(what: &'static str, length: u64) -> ProgressBar {
    styled(
        length,
        what,
        "{what} {wide_bar:.green} {bytes}/{total_bytes} {eta}",
    )
}

/// Work that tells how far it is as a part of 1.
pub(crate) fn part(what: &'static str) -> ProgressBar {
    styled(PARTS, what, "{what} {wide_bar:.green} {percent}% {msg}")
}

/// Sets a bar of [`part`].
pub(crate) fn set_part(bar: &ProgressBar, part: f64, what: &str) {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped; only a picture"
    )]
    let position = (part.clamp(0.0, 1.0) * 1000.0) as u64;
    bar.set_position(position.min(PARTS));
    bar.set_message(what.to_owned());
}

fn styled(length: u64, what: &'static str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("what", move |_: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(what);
        });
    let bar = ProgressBar::new(length).with_style(style);
    bar.enable_steady_tick(TICK);
    bar
}
