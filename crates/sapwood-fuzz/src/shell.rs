//! The shell's language over a database in memory.

use sapwood_cli::Script;
use serde_json::Value;

/// More than this would only repeat itself.
const LINES_MAX: usize = 64;

/// The kinds of errors that there are, by their documented names.
pub(super) const KINDS: [&str; 14] = [
    "conflict",
    "pruned",
    "not_yet",
    "too_old",
    "retention_debt",
    "too_large",
    "invalid",
    "not_found",
    "read_only",
    "locked",
    "unsupported",
    "closed",
    "corrupt",
    "io",
];

pub(super) fn run(input: &[u8]) {
    let mut script = Script::default();
    for line in input.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let Some(answered) = script.line(line) else {
            continue;
        };
        let shown = line.escape_ascii();
        let json: Value = serde_json::from_str(&answered.json).expect("JSON");
        assert_eq!(json["ok"] == true, answered.failure.is_none(), "{shown}");
        assert!(!answered.json.contains('\n'), "{shown}: {}", answered.json);
        assert!(answered.reads_back, "{shown}: {:?}", answered.command);
        assert!(
            is_text(&answered.people, true),
            "{shown}: {:?}",
            answered.people
        );
        if let Some((kind, message)) = &answered.failure {
            assert!(KINDS.contains(kind), "{shown}: {kind}");
            assert_eq!(json["error"]["kind"], *kind);
            assert_eq!(json["error"]["message"], message.as_str());
            assert!(
                !message.is_empty() && is_text(message, false),
                "{shown}: {message:?}"
            );
        }
    }
    script.close().expect("close");
}

/// Whether a terminal shows it as it is.
fn is_text(text: &str, with_lines: bool) -> bool {
    text.chars()
        .all(|letter| !letter.is_control() || (with_lines && letter == '\n'))
}
