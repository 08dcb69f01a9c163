//! Slow operations have spans, with what they did.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sapwood::{BlockExecutor, BlockExecutorConfig, ExecutionStatus, RetentionPolicy, Timestamp};
use tracing::{
    Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry, layer::Context, layer::SubscriberExt, registry::LookupSpan,
};

use super::{World, operations::every_operation};

/// The values that the fields of a span have had.
type Values = BTreeMap<&'static str, Vec<String>>;

/// The spans that were seen in this process, by their names: their level, and their fields.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Spans>>);

type Spans = BTreeMap<&'static str, (Option<Level>, Values)>;

struct Fields<'m>(&'m mut Values);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let values = self.0.entry(field.name()).or_default();
        values.push(format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.target() != "sapwood" {
            return;
        }
        let mut seen = self.0.lock().expect("no panic");
        let (level, fields) = seen.entry(metadata.name()).or_default();
        *level = Some(*metadata.level());
        attributes.record(&mut Fields(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context
            .span(id)
            .filter(|span| span.metadata().target() == "sapwood")
        else {
            return;
        };
        let mut seen = self.0.lock().expect("no panic");
        let (_, fields) = seen.entry(span.name()).or_default();
        values.record(&mut Fields(fields));
    }
}

/// The spans, their levels and the fields that a test sees, in the order of the document.
const SPANS: &[(&str, Level, &str)] = &[
    ("open", Level::INFO, "path visible floor recent_versions"),
    (
        "prune",
        Level::INFO,
        "before floor rows_dropped bytes_reclaimed",
    ),
    ("compact", Level::INFO, "bytes_before bytes_after"),
    ("checkpoint", Level::INFO, "path timestamp"),
    ("backup", Level::INFO, "directory id timestamp"),
    ("restore", Level::INFO, "from path"),
    ("rollback", Level::INFO, "to epoch"),
    ("verify", Level::INFO, "visible violations"),
    ("export", Level::INFO, "after until path commits"),
    ("apply", Level::INFO, "path commits visible"),
    ("merge", Level::DEBUG, ""),
    ("wait_for_debt", Level::DEBUG, ""),
    (
        "execute_block",
        Level::DEBUG,
        "height transactions incarnations aborts speedup",
    ),
    ("commit_block", Level::DEBUG, "height"),
];

#[test]
fn slow_operations_have_spans() {
    let seen = Seen::default();
    let subscriber = Registry::default().with(seen.clone());
    // For all threads: who meets a span first, without a subscriber, would turn it off for all.
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    {
        let mut world = World::new(|config| config.recent_versions_size = 0);
        every_operation(&mut world);
        let executor = BlockExecutor::new(BlockExecutorConfig::default()).expect("an executor");
        let height = Timestamp::new(100);
        let block = world
            .engine
            .execute_block(&executor, height, vec![(); 9], |ctx, ()| {
                ctx.add(b"sum", 1)?;
                Ok(ExecutionStatus::Success(()))
            });
        block.expect("a block");
        (0..9).for_each(|_| world.set(b"key", b"value"));
        // Without a way out, a writer waits, for no time.
        let _snapshot = world.engine.at(height).expect("a snapshot");
        let policy = RetentionPolicy::default().commits(1).debt_limit_bytes(0);
        let policy = policy.debt_wait(std::time::Duration::ZERO);
        world.engine.set_retention(policy).expect("set");
        world.engine.apply_retention().expect("applied");
        world.engine.set(b"key", b"value").expect_err("refused");
    }
    let seen = seen.0.lock().expect("no panic");
    let names: Vec<_> = SPANS.iter().map(|(name, ..)| *name).collect();
    let mut unknown = seen.keys().filter(|name| !names.contains(name));
    assert_eq!(unknown.next(), None, "a span that is not in the list");
    for (name, level, fields) in SPANS {
        let (was, has) = seen.get(name).unwrap_or_else(|| panic!("no span {name}"));
        assert_eq!(was.as_ref(), Some(level), "{name}");
        for field in fields.split_whitespace() {
            assert!(has.contains_key(field), "{name} has no {field}: {has:?}");
        }
    }
    let (_, block) = &seen["execute_block"];
    let has = |field: &str, value: &str| block[field].iter().any(|one| one == value);
    assert!(has("height", "100") && has("transactions", "9"));
}

#[test]
fn the_document_lists_the_spans() {
    let document = super::documents::read("docs/metrics.md");
    for (name, level, fields) in SPANS {
        let line = document
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")));
        let line =
            line.unwrap_or_else(|| panic!("docs/metrics.md has no line for the span {name}"));
        assert!(line.contains(level.as_str()), "{name}: {line}");
        for field in fields.split_whitespace() {
            assert!(line.contains(&format!("`{field}`")), "{name}: {field}");
        }
    }
}
