//! Recipes: one question, one short program that runs.
//!
//! | to | recipe |
//! |---|---|
//! | store numbers, and keep their order | [Keys in order](#keys-in-order) |
//! | count without losing any | [A counter](#a-counter) |
//! | change a value only if nobody else did | [Compare and set](#compare-and-set) |
//! | read many keys of one moment | [One moment](#one-moment) |
//! | go through a large state page by page | [Pages](#pages) |
//! | sum up without copying | [Rows lent where they lie](#rows-lent-where-they-lie) |
//! | know when a value was what | [The life of a key](#the-life-of-a-key) |
//! | see what a commit did | [What changed](#what-changed) |
//! | find the state of a time of day | [By the clock](#by-the-clock) |
//! | keep one moment for good | [A pin](#a-pin) |
//! | keep the last so many commits | [Retention](#retention) |
//! | take back the last commits | [Going back](#going-back) |
//! | do a part of a transaction, or not | [A savepoint](#a-savepoint) |
//! | tell who lost from what is wrong | [Errors](#errors) |
//! | hand the engine to threads | [Threads](#threads) |
//! | delete a whole range | [A range](#a-range) |
//! | wait for the disk where it matters | [Durability](#durability) |
//!
//! All of them run on a store in memory; on disk it is `Engine::open("path")?` instead.
//!
//! # Keys in order
//! Keys are ordered by their bytes. Big-endian numbers are in their own order then, and a prefix is a table.
//! ```
//! use sapwood::{Engine, ReadView};
//!
//! let engine = Engine::in_memory();
//! let key = |number: u64| [b"order/", &number.to_be_bytes()[..]].concat();
//! for number in [300, 2, 10] {
//!     engine.set(key(number), b"")?;
//! }
//! let last = engine.scan("order/").next_back().unwrap()?.0;
//! assert_eq!(last, key(300));
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # A counter
//! ```
//! use sapwood::{Engine, Isolation, ReadView, decode_cell, encode_cell};
//!
//! let engine = Engine::in_memory();
//! let count = || {
//!     engine.transact(Isolation::Serializable, |tx| {
//!         let next = decode_cell(tx.get("visits")?.as_deref())? + 1;
//!         tx.set("visits", encode_cell(next))?;
//!         Ok(next)
//!     })
//! };
//! std::thread::scope(|scope| {
//!     let other = scope.spawn(count);
//!     count()?;
//!     other.join().unwrap()?;
//!     Ok::<(), sapwood::Error>(())
//! })?;
//! assert_eq!(decode_cell(engine.get("visits")?.as_deref())?, 2);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Compare and set
//! ```
//! use sapwood::{Engine, ErrorKind, ReadView};
//!
//! let engine = Engine::in_memory();
//! engine.compare_and_set("leader", None, Some(b"node 1"))?;
//! let second = engine.compare_and_set("leader", None, Some(b"node 2")).unwrap_err();
//! assert!(matches!(second.kind(), ErrorKind::Conflict { .. }));
//! assert_eq!(engine.get("leader")?.as_deref(), Some(&b"node 1"[..]));
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # One moment
//! Two calls of the engine may see two moments. A snapshot is one, and so is `multi_get`.
//! ```
//! use sapwood::{Engine, ReadView};
//!
//! let engine = Engine::in_memory();
//! engine.set("a", "1")?;
//! engine.set("b", "1")?;
//! let moment = engine.snapshot()?;
//! engine.set("b", "2")?;
//! assert_eq!(moment.multi_get(&["a", "b", "c"])?, [Some("1".into()), Some("1".into()), None]);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Pages
//! The last key of a page, and a zero byte, is where the next one begins; the timestamp makes sure that it is a page of the
//! same book.
//! ```
//! use sapwood::{Engine, Key, ReadView, Result, Timestamp, Value};
//!
//! fn page(engine: &Engine, at: Timestamp, after: Option<&[u8]>) -> Result<Vec<(Key, Value)>> {
//!     let start = after.map_or(Vec::new(), |last| [last, b"\0"].concat());
//!     engine.at(at)?.range(start..).take(2).collect()
//! }
//!
//! let engine = Engine::in_memory();
//! for key in ["a", "b", "c"] {
//!     engine.set(key, "")?;
//! }
//! let at = engine.visible();
//! let first = page(&engine, at, None)?;
//! engine.set("aa", "")?;
//! let second = page(&engine, at, first.last().map(|row| &row.0[..]))?;
//! assert_eq!((first.len(), second.len(), &second[0].0[..]), (2, 1, &b"c"[..]));
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Rows lent where they lie
//! ```
//! use std::ops::ControlFlow;
//! use sapwood::{Engine, ReadView};
//!
//! let engine = Engine::in_memory();
//! engine.set("a", "12345")?;
//! engine.set("b", "123")?;
//! let mut bytes = 0;
//! engine.visit(.., |_key, value| {
//!     bytes += value.len();
//!     ControlFlow::<()>::Continue(())
//! })?;
//! assert_eq!(bytes, 8);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # The life of a key
//! Newest first; `rev` is oldest first. Between two versions the key was deleted if the one does not begin where the other ends.
//! ```
//! use sapwood::Engine;
//!
//! let engine = Engine::in_memory();
//! let (born, gone) = (engine.set("a", "1")?, engine.delete("a")?);
//! engine.set("a", "2")?;
//! let lives: Vec<_> = engine
//!     .history("a", ..)?
//!     .rev()
//!     .map(|version| version.map(|version| (version.start, version.end)))
//!     .collect::<sapwood::Result<_>>()?;
//! assert_eq!(lives[0], (born, Some(gone)));
//! assert_eq!(lives[1].1, None);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # What changed
//! Between any two moments, in time proportional to the changes and not to the state.
//! ```
//! use sapwood::Engine;
//!
//! let engine = Engine::in_memory();
//! let before = engine.set("a", "1")?;
//! engine.set("b", "1")?;
//! let after = engine.delete("a")?;
//! let changes: Vec<_> = engine.diff(before, after)?.collect::<sapwood::Result<_>>()?;
//! assert_eq!((&changes[0].key[..], changes[0].new.is_none()), (&b"a"[..], true));
//! assert_eq!((&changes[1].key[..], changes[1].old.is_none()), (&b"b"[..], true));
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # By the clock
//! Commits are ordered by their timestamps and remember the time of day. The feed gives both.
//! ```
//! use std::time::SystemTime;
//! use sapwood::{Engine, Position, ReadView};
//!
//! let engine = Engine::in_memory();
//! let first = engine.set("a", "1")?;
//! let moment = SystemTime::now();
//! let mut last = None;
//! let mut changes = engine.changes(Position::START)?;
//! while let Some(commit) = changes.poll()? {
//!     if commit.time <= moment {
//!         last = Some(commit.timestamp);
//!     }
//! }
//! assert_eq!(last, Some(first));
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # A pin
//! ```
//! use sapwood::{Engine, PinOptions, ReadView};
//!
//! let engine = Engine::in_memory();
//! let year_end = engine.set("books", "closed")?;
//! engine.pin("year-end", year_end, PinOptions::default())?;
//! let now = engine.set("books", "open")?;
//! engine.prune_before(now)?;
//! assert_eq!(engine.at(year_end)?.get("books")?.as_deref(), Some(&b"closed"[..]));
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Retention
//! ```
//! use sapwood::{Engine, RetentionPolicy};
//!
//! let engine = Engine::in_memory();
//! engine.set_retention(RetentionPolicy::keep_all().commits(10))?;
//! for number in 0..100 {
//!     engine.set("a", number.to_string())?;
//! }
//! engine.apply_retention()?; // a store that is open for longer does it by itself
//! assert_eq!(engine.visible().get() - engine.floor().get(), 9);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Going back
//! ```
//! use sapwood::{Engine, ReadView};
//!
//! let engine = Engine::in_memory();
//! let good = engine.set("a", "good")?;
//! engine.set("a", "bad")?;
//! engine.rollback_to(good)?;
//! assert_eq!(engine.get("a")?.as_deref(), Some(&b"good"[..]));
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # A savepoint
//! ```
//! use sapwood::{Engine, Isolation, ReadView};
//!
//! let engine = Engine::in_memory();
//! let mut tx = engine.begin(Isolation::Serializable)?;
//! tx.set("kept", "")?;
//! let savepoint = tx.savepoint();
//! tx.set("taken back", "")?;
//! tx.rollback_to(&savepoint)?;
//! tx.commit()?;
//! assert!(engine.contains("kept")? && !engine.contains("taken back")?);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Errors
//! ```
//! use sapwood::{Engine, ErrorKind, Isolation, ReadView, Timestamp};
//!
//! let engine = Engine::in_memory();
//! engine.set("a", "1")?;
//! let future = engine.at(Timestamp::new(100)).unwrap_err();
//! assert!(matches!(future.kind(), ErrorKind::NotYet { .. }) && !future.is_retryable());
//!
//! let mut tx = engine.begin(Isolation::Serializable)?;
//! tx.get("a")?;
//! tx.set("b", "1")?;
//! engine.set("a", "2")?;
//! assert!(tx.commit().unwrap_err().is_retryable()); // `transact` does it by itself
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Threads
//! An engine is a handle: clones share the store, and any number of threads read and write through them.
//! ```
//! use sapwood::{Engine, ReadView};
//!
//! let engine = Engine::in_memory();
//! let writer = std::thread::spawn({
//!     let engine = engine.clone();
//!     move || engine.set("from", "elsewhere")
//! });
//! let written = writer.join().unwrap()?;
//! assert!(engine.at(written)?.contains("from")?);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # A range
//! ```
//! use sapwood::{Engine, KeyRange, ReadView};
//!
//! let engine = Engine::in_memory();
//! for key in ["session/1", "session/2", "user/1"] {
//!     engine.set(key, "")?;
//! }
//! let deleted = engine.delete_range(KeyRange::prefix(b"session/"))?;
//! assert_eq!(deleted.writes, 2);
//! assert_eq!(engine.range(..).count(), 1);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Durability
//! ```
//! use sapwood::{Batch, CommitOptions, Durability, Engine};
//!
//! let engine = Engine::in_memory();
//! let mut batch = Batch::new();
//! batch.set("payment", "received");
//! let options = CommitOptions::default().durability(Durability::Sync);
//! engine.commit(batch, options)?; // on disk: it has survived the machine when this returns
//! # Ok::<(), sapwood::Error>(())
//! ```
