//! The front end, as it was built from `web/` and committed in `dist/` (`make web`).

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// A file of the front end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    /// Where it is asked for.
    pub(crate) path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

/// All files of the front end.
pub(crate) const ASSETS: [Asset; 5] = [
    Asset {
        path: "/",
        kind: "text/html; charset=utf-8",
        bytes: include_bytes!("../dist/index.html"),
    },
    Asset {
        path: "/explorer.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../dist/explorer.js"),
    },
    Asset {
        path: "/explorer.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("../dist/explorer.css"),
    },
    Asset {
        path: "/icon.svg",
        kind: "image/svg+xml",
        bytes: include_bytes!("../dist/icon.svg"),
    },
    Asset {
        path: "/licences.txt",
        kind: "text/plain; charset=utf-8",
        bytes: include_bytes!("../dist/licences.txt"),
    },
];

impl IntoResponse for Asset {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, self.kind)], self.bytes).into_response()
    }
}
