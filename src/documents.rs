//! The programs of the documents, compiled and run as doctests. Nothing else is in here.
//!
//! `tests/tidy/documents.rs` sees to it that no page with a program is missing.

#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("../docs/concepts.md")]
struct Concepts;

#[doc = include_str!("../docs/guide.md")]
struct Guide;

#[doc = include_str!("../docs/isolation.md")]
struct Isolation;

#[doc = include_str!("../docs/migration.md")]
struct Migration;

#[doc = include_str!("../docs/quick_start.md")]
struct QuickStart;
