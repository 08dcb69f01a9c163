//! The documents name what there is: the table of `docs/metrics.md` is made of the one in the code.

use std::{env, fmt::Write, fs, path::Path};

use sapwood::metrics::METRICS;

const DOCUMENT: &str = "docs/metrics.md";
const BEGIN: &str =
    "<!-- the table: SAPWOOD_WRITE_DOCUMENTS=1 cargo test -p sapwood --test metrics document -->\n";
const END: &str = "<!-- end of the table -->\n";

pub(crate) fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The table, for people.
fn table() -> String {
    let mut table =
        String::from("| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for metric in METRICS {
        let labels = metric.labels.iter().map(|label| {
            let values = label.values.iter().map(|value| format!("`{value}`"));
            let values = values.collect::<Vec<_>>().join(", ");
            if values.is_empty() {
                format!("`{}`", label.name)
            } else {
                format!("`{}`: {values}", label.name)
            }
        });
        let labels = labels.collect::<Vec<_>>().join("; ");
        writeln!(
            table,
            "| `{}` | {} | {} | {labels} | {} |",
            metric.name, metric.kind, metric.unit, metric.meaning
        )
        .expect("a string takes it");
    }
    table
}

#[test]
fn the_document_has_the_table_of_the_code() {
    let text = read(DOCUMENT);
    let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
    let (found, after) = rest.split_once(END).expect("the table's end");
    let expected = table();
    if env::var_os("SAPWOOD_WRITE_DOCUMENTS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
        fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).expect("written");
        return;
    }
    assert_eq!(
        found, expected,
        "{DOCUMENT} says something else; write it anew: {BEGIN}"
    );
}

/// Words in documents that look like metrics are metrics.
#[test]
fn documents_name_only_metrics_that_there_are() {
    for path in [DOCUMENT, "docs/operations.md", "README.md", "DESIGN.md"] {
        let text = read(path);
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let is_metric = word.starts_with("sapwood_") && !word.ends_with('_');
            let stem = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| word.strip_suffix(end));
            let is_known = METRICS
                .iter()
                .any(|metric| metric.name == word || Some(metric.name) == stem);
            assert!(
                !is_metric || is_known,
                "{path} names {word}, which is no metric"
            );
        }
    }
}
