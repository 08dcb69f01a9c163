//! The routes: what is asked, on a thread that may wait, and its answer.

use std::{net::SocketAddr, ops::Bound, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequestParts, Query, State},
    http::{HeaderMap, Method, StatusCode, Uri, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use sapwood::{CommitSummary, Engine};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::task;

use crate::{
    answer::{At, milliseconds},
    assets::ASSETS,
    diff,
    failure::{Failure, Result},
    gate,
    options::ExplorerOptions,
    page::Room,
    read, status,
    timeline::{Timeline, TimelineQuery},
    write,
};

/// The longest request, in bytes.
const BODY_MAX_BYTES: usize = 4 << 20;

/// What all requests share.
#[derive(Debug)]
struct Shared {
    engine: Engine,
    timeline: Timeline,
    name: String,
    allow_writes: bool,
}

type App = State<Arc<Shared>>;
type Answer<T> = Result<Json<T>>;

/// Everything that is answered, for an explorer that listens at `bound`.
pub(crate) fn routes(engine: &Engine, options: ExplorerOptions, bound: SocketAddr) -> Router {
    let shared = Arc::new(Shared {
        engine: engine.clone(),
        timeline: Timeline::default(),
        name: options.name,
        allow_writes: options.allow_writes,
    });
    let mut router = Router::new();
    for asset in ASSETS {
        router = router.route(asset.path, get(move || async move { asset }));
    }
    router
        .route("/api/status", get(get_status))
        .route("/api/storage", get(get_storage))
        .route("/api/timeline", get(get_timeline))
        .route("/api/commits", get(get_commits))
        .route("/api/keys", get(get_keys))
        .route("/api/value", get(get_value))
        .route("/api/history", get(get_history))
        .route("/api/diff", get(get_diff))
        .route("/api/set", post(post_set))
        .route("/api/delete", post(post_delete))
        .route("/api/pin", post(post_pin))
        .route("/api/unpin", post(post_unpin))
        .route("/api/prune", post(post_prune))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(middleware::from_fn_with_state(bound, gate::guard))
        .with_state(shared)
}

async fn nothing_here(uri: Uri) -> Failure {
    let message = format!("there is nothing at {}; the page is at /", uri.path());
    Failure::new(StatusCode::NOT_FOUND, "not_found", message)
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    let message = format!("{method} is not what {} answers", uri.path());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", message)
}

/// What stands behind the `?`, refused in JSON where it is wrong.
struct Params<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|error| Failure::invalid(error.body_text()))
    }
}

/// Reads where waiting for the disk holds up nobody else.
async fn read_apart<T: Serialize + Send + 'static>(
    shared: Arc<Shared>,
    read: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
) -> Answer<T> {
    let answer = task::spawn_blocking(move || read(&shared)).await;
    let answer = answer.map_err(|error| {
        let message = format!("the request came to no end: {error}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "io", message)
    })?;
    answer.map(Json)
}

/// Writes, where that is allowed.
async fn write_apart<R, T>(
    shared: Arc<Shared>,
    headers: &HeaderMap,
    body: &Bytes,
    write: impl FnOnce(&Engine, &R) -> Result<T> + Send + 'static,
) -> Answer<T>
where
    R: DeserializeOwned + Send + 'static,
    T: Serialize + Send + 'static,
{
    if !shared.allow_writes {
        return Err(Failure::writes_are_not_allowed());
    }
    gate::check_write(headers)?;
    let request: R = serde_json::from_slice(body)
        .map_err(|error| Failure::invalid(format!("the request cannot be read: {error}")))?;
    read_apart(shared, move |shared| write(&shared.engine, &request)).await
}

async fn get_status(State(shared): App) -> Answer<status::StatusAnswer> {
    read_apart(shared, |shared| {
        status::status(&shared.engine, &shared.name, shared.allow_writes)
    })
    .await
}

async fn get_storage(State(shared): App) -> Answer<status::StorageAnswer> {
    read_apart(shared, |shared| status::storage(&shared.engine)).await
}

async fn get_timeline(State(shared): App, Params(query): Params<TimelineQuery>) -> Response {
    let answer = read_apart(shared, move |shared| {
        shared.timeline.answer(&shared.engine, &query)
    });
    answer.await.into_response()
}

/// Which commits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitsQuery {
    after: Option<At>,
    before: Option<At>,
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct CommitsPage {
    commits: Vec<CommitRow>,
}

#[derive(Debug, Serialize)]
struct CommitRow {
    timestamp: At,
    time_ms: u64,
    sets: u64,
    deletes: u64,
}

impl CommitRow {
    fn new(commit: &CommitSummary) -> Self {
        Self {
            timestamp: At(commit.timestamp),
            time_ms: milliseconds(commit.time),
            sets: commit.sets,
            deletes: commit.deletes,
        }
    }
}

fn commits(engine: &Engine, query: &CommitsQuery) -> Result<CommitsPage> {
    let mut room = Room::new(query.limit, None)?;
    let after = query.after.map(|At(after)| after);
    let before = query.before.map(|At(before)| before);
    let log = engine.commit_log((
        after.map_or(Bound::Unbounded, Bound::Excluded),
        before.map_or(Bound::Unbounded, Bound::Excluded),
    ))?;
    let log: Box<dyn Iterator<Item = _>> = match before {
        Some(_) => Box::new(log.rev()),
        None => Box::new(log),
    };
    let mut commits = Vec::new();
    for commit in log {
        let commit = commit?;
        commits.push(CommitRow::new(&commit));
        // A key counts as the bytes of a short one.
        let keys = usize::try_from(commit.sets + commit.deletes).unwrap_or(usize::MAX);
        room.take_row(keys.saturating_mul(16));
        if !room.is_left() {
            break;
        }
    }
    Ok(CommitsPage { commits })
}

async fn get_commits(State(shared): App, Params(query): Params<CommitsQuery>) -> Response {
    let answer = read_apart(shared, move |shared| commits(&shared.engine, &query));
    answer.await.into_response()
}

async fn get_keys(
    State(shared): App,
    Params(query): Params<read::KeysQuery>,
) -> Answer<read::KeysPage> {
    read_apart(shared, |shared| read::keys(&shared.engine, query)).await
}

async fn get_value(
    State(shared): App,
    Params(query): Params<read::ValueQuery>,
) -> Answer<read::ValueAnswer> {
    read_apart(shared, |shared| read::value(&shared.engine, query)).await
}

async fn get_history(
    State(shared): App,
    Params(query): Params<read::HistoryQuery>,
) -> Answer<read::HistoryPage> {
    read_apart(shared, move |shared| read::history(&shared.engine, &query)).await
}

async fn get_diff(
    State(shared): App,
    Params(query): Params<diff::DiffQuery>,
) -> Answer<diff::DiffPage> {
    read_apart(shared, |shared| diff::diff(&shared.engine, query)).await
}

async fn post_set(State(shared): App, headers: HeaderMap, body: Bytes) -> Answer<write::Committed> {
    write_apart(shared, &headers, &body, write::set).await
}

async fn post_delete(
    State(shared): App,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<write::Committed> {
    write_apart(shared, &headers, &body, write::delete).await
}

async fn post_pin(State(shared): App, headers: HeaderMap, body: Bytes) -> Answer<write::Pins> {
    write_apart(shared, &headers, &body, write::pin).await
}

async fn post_unpin(State(shared): App, headers: HeaderMap, body: Bytes) -> Answer<write::Pins> {
    write_apart(shared, &headers, &body, write::unpin).await
}

async fn post_prune(State(shared): App, headers: HeaderMap, body: Bytes) -> Answer<write::Pruned> {
    write_apart(shared, &headers, &body, write::prune).await
}
