//! The explorer: an [`Engine`](sapwood::Engine)'s whole history as a web page, and as JSON.
//!
//! [`serve`] starts it beside whatever else the process does with the engine; the command `sapwood explore` is built on
//! that. The page needs no network: it lies in the binary. `docs/explorer.md` shows what it looks like.
//!
//! # The API
//! All answers are JSON. Keys and values are hexadecimal digits. Timestamps are strings of decimal digits, in answers
//! and in what is posted, as not every JSON reader can read 64 bits. Moments of the day are milliseconds since 1970.
//! `at` is a timestamp; without it the newest state is read. A page ends at `limit` rows, or earlier where it has read
//! 16 MiB; `next`, where there is more, is what to give as `after` (`before` for versions) to go on.
//!
//! | route | answer |
//! |---|---|
//! | `GET /api/status` | visible timestamp, floor, epoch, pins, feeds, figures of the engine; whether writes are allowed |
//! | `GET /api/storage` | bytes by keyspace, and files by level |
//! | `GET /api/timeline?by=timestamp\|time&buckets=N` | commits counted in at most N buckets of equal width |
//! | `GET /api/commits?after=T&limit=N`, `?before=T` | the commits above a timestamp, oldest first; those below, newest first |
//! | `GET /api/keys?at=T&prefix=K&after=K&limit=N&preview=BYTES` | the rows of a state, in key order |
//! | `GET /api/value?key=K&at=T&offset=N&length=N` | a value, or a part of it, and when its version starts and ends |
//! | `GET /api/history?key=K&before=T&limit=N&preview=BYTES` | the versions of a key, newest first |
//! | `GET /api/diff?old=T&new=T&prefix=K&after=K&limit=N&preview=BYTES` | what differs between two states, in key order |
//! | `POST /api/set` `{"key","value"}`, `/api/delete` `{"key"}` | a commit of its own: `timestamp` |
//! | `POST /api/pin` `{"name","at","ttl_seconds"?}`, `/api/unpin` `{"name"}` | the pins |
//! | `POST /api/prune` `{"before"}` | `floor`, `rows_dropped`, `bytes_reclaimed` |
//!
//! A page of a difference may hold no change and go on all the same: it looks at a bounded number of rows.
//! `/api/timeline` counts a bounded number of commits for each request; until `complete` is true, ask again.
//!
//! An error is `{"error":{"kind","message"}}`, with the engine's [kinds](sapwood::ErrorKind::name), and `floor` where
//! it was pruned, `visible` where it is not there yet:
//!
//! | status | kinds |
//! |---|---|
//! | 400 | `invalid` |
//! | 403 | `read_only`, `forbidden` (a request of another site) |
//! | 404 | `not_yet`, `not_found` |
//! | 409 | `conflict`, `too_old`, `locked` |
//! | 410 | `pruned` |
//! | 413 | `too_large` |
//! | 500 | `corrupt`, `io` |
//! | 501 | `unsupported` |
//! | 503 | `retention_debt`, `closed` |
//!
//! # Who may ask
//! It listens on loopback unless told otherwise, and then refuses every request whose `Host` is no name of loopback, so
//! that no page of the web can reach it under a name of its own. There are no CORS headers. Writes are refused unless
//! [allowed](ExplorerOptions::allow_writes), and even then where they lack the header `X-Sapwood`, which no other site
//! can send, or have the `Origin` of another one. There are no users and no passwords: who can connect can read.
//!
//! # Examples
//! ```
//! use std::{io::{Read, Write}, net::TcpStream};
//! use sapwood::Engine;
//! use sapwood_explorer::{ExplorerOptions, serve};
//!
//! let engine = Engine::in_memory();
//! engine.set(b"alice", b"100")?;
//! let explorer = serve(&engine, ExplorerOptions::default().port(0))?;
//! println!("have a look at {}", explorer.url());
//!
//! let mut stream = TcpStream::connect(explorer.address())?;
//! write!(stream, "GET /api/keys HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", explorer.address())?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert!(answer.contains(r#""key":"616c696365""#), "{answer}");
//! explorer.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod api;
mod assets;
mod buckets;
mod diff;
mod failure;
mod gate;
mod hexadecimal;
mod options;
mod page;
mod read;
mod server;
mod status;
mod timeline;
mod write;

pub use options::{DEFAULT_PORT, ExplorerOptions};
pub use server::{Explorer, ServeError, serve};
