//! [`Failure`]: why a request was not answered, as a status and a JSON object.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use sapwood::{Error, ErrorKind};
use serde_json::{Value, json};

/// The result of everything that a request can fail at.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// An answer that says what went wrong, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    kind: &'static str,
    message: String,
    /// What programs want to know of it, by name.
    detail: Option<(&'static str, String)>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            detail: None,
        }
    }

    /// A request that can never be right.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// A request that may not be made from where it comes.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// A write, where writes are not allowed.
    pub(crate) fn writes_are_not_allowed() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "read_only",
            "this explorer only reads; start it with --allow-writes to change the database",
        )
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let detail = match error.kind() {
            ErrorKind::Pruned { floor, .. } => Some(("floor", floor.to_string())),
            ErrorKind::NotYet { visible, .. } => Some(("visible", visible.to_string())),
            _ => None,
        };
        Self {
            status: status(error.kind()),
            kind: error.kind().name(),
            message: error.to_string(),
            detail,
        }
    }
}

fn status(kind: &ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::ReadOnly => StatusCode::FORBIDDEN,
        ErrorKind::NotYet { .. } | ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict { .. } | ErrorKind::TooOld | ErrorKind::Locked => StatusCode::CONFLICT,
        ErrorKind::Pruned { .. } => StatusCode::GONE,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::RetentionDebt { .. } | ErrorKind::Closed => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut error = json!({ "kind": self.kind, "message": self.message });
        if let (Some((name, value)), Value::Object(error)) = (self.detail, &mut error) {
            error.insert(name.to_owned(), value.into());
        }
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use sapwood::{Engine, Timestamp};

    use super::*;

    #[test]
    fn errors_of_the_engine_keep_their_kinds() {
        let engine = Engine::in_memory();
        let not_yet = Failure::from(engine.at(Timestamp::new(7)).unwrap_err());
        assert_eq!(
            (not_yet.status, not_yet.kind),
            (StatusCode::NOT_FOUND, "not_yet")
        );
        assert_eq!(not_yet.detail, Some(("visible", "0".to_owned())));
        engine.set("a", "1").unwrap();
        engine.set("a", "2").unwrap();
        engine.prune_before(Timestamp::new(2)).unwrap();
        let pruned = Failure::from(engine.at(Timestamp::new(1)).unwrap_err());
        assert_eq!((pruned.status, pruned.kind), (StatusCode::GONE, "pruned"));
        assert_eq!(pruned.detail, Some(("floor", "2".to_owned())));
    }
}
