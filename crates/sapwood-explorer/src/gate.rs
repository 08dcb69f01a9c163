//! Who may ask: requests that come from where they say, and headers that keep the page to itself.
//!
//! A page of the web can let a browser send requests to loopback, under a name that its owner points there (DNS
//! rebinding), and would read the answers. It cannot choose the `Host` header: that has the name. So where we listen on
//! loopback, only names of loopback are answered.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::failure::{Failure, Result};

/// What each write must have. Another site cannot send it: the browser would ask us first, and we do not answer that.
pub(crate) const WRITE_HEADER: &str = "x-sapwood";

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Refuses what comes under a foreign name, and puts the headers on every answer.
pub(crate) async fn guard(
    State(bound): State<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match check_host(bound, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The name and the port that a request was sent to.
fn host(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST)?.to_str().ok()?.parse().ok()
}

fn check_host(bound: SocketAddr, headers: &HeaderMap) -> Result<()> {
    if !bound.ip().is_loopback() {
        return Ok(());
    }
    let asked = host(headers);
    let is_ours = asked.is_some_and(|asked| {
        asked.port_u16().unwrap_or(80) == bound.port() && is_loopback(asked.host())
    });
    if is_ours {
        return Ok(());
    }
    Err(Failure::forbidden(format!(
        "this explorer is at http://{bound}/ and answers to no other name; open that"
    )))
}

fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Refuses a write that another site may have sent.
pub(crate) fn check_write(headers: &HeaderMap) -> Result<()> {
    if !headers.contains_key(WRITE_HEADER) {
        return Err(Failure::forbidden(format!(
            "a write needs the header {WRITE_HEADER}: 1, which a page of another site cannot send"
        )));
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let is_ours = host(headers).is_some_and(|host| origin == format!("http://{host}"));
    if is_ours {
        return Ok(());
    }
    Err(Failure::forbidden(format!(
        "a page of {origin} may not write here"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn on_loopback_only_its_names_are_answered() {
        let bound: SocketAddr = "127.0.0.1:7272".parse().unwrap();
        let asked = |host: &str| check_host(bound, &headers(&[("host", host)])).is_ok();
        for host in [
            "127.0.0.1:7272",
            "localhost:7272",
            "LOCALHOST:7272",
            "[::1]:7272",
            "127.0.0.2:7272",
        ] {
            assert!(asked(host), "{host}");
        }
        for host in [
            "evil.example:7272",
            "localhost.evil.example:7272",
            "127.0.0.1.evil.example:7272",
            "10.0.0.1:7272",
            "localhost",
            "localhost:7273",
            "127.0.0.1:72720",
            "",
        ] {
            assert!(!asked(host), "{host}");
        }
        assert!(check_host(bound, &HeaderMap::new()).is_err());
        let web: SocketAddr = "127.0.0.1:80".parse().unwrap();
        assert!(check_host(web, &headers(&[("host", "localhost")])).is_ok());
    }

    #[test]
    fn elsewhere_every_name_is() {
        let bound: SocketAddr = "192.0.2.7:7272".parse().unwrap();
        assert!(check_host(bound, &headers(&[("host", "any.example")])).is_ok());
    }

    #[test]
    fn a_write_comes_from_the_page_itself() {
        let host = ("host", "localhost:7272");
        let mark = ("x-sapwood", "1");
        assert!(check_write(&headers(&[host, mark])).is_ok());
        assert!(check_write(&headers(&[host])).is_err());
        for (origin, may) in [
            ("http://localhost:7272", true),
            ("http://localhost:7273", false),
            ("https://evil.example", false),
            ("null", false),
        ] {
            let headers = headers(&[host, mark, ("origin", origin)]);
            assert_eq!(check_write(&headers).is_ok(), may, "{origin}");
        }
    }
}
