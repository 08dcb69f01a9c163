//! What is refused, and how that is said.

use std::net::TcpListener;

use sapwood::{Engine, Timestamp};
use sapwood_explorer::{ExplorerOptions, ServeError, serve};
use serde_json::json;

use crate::support::{commit, everywhere, hex};

#[test]
fn moments_that_cannot_be_read_say_what_can() {
    everywhere(&ExplorerOptions::default(), |place| {
        for at in 1..=4 {
            commit(&place.engine, at, &[("key", Some("value"))]);
        }
        place.engine.prune_before(Timestamp::new(3)).unwrap();
        let key = hex("key");
        for path in [
            "/api/keys?at=2".to_owned(),
            format!("/api/value?key={key}&at=2"),
            "/api/diff?old=2&new=4".to_owned(),
        ] {
            assert_eq!(
                place.get(&path).failed(410, "pruned")["floor"],
                "3",
                "{path}"
            );
        }
        for path in [
            "/api/keys?at=5".to_owned(),
            format!("/api/value?key={key}&at=5"),
            "/api/diff?old=3&new=5".to_owned(),
        ] {
            assert_eq!(
                place.get(&path).failed(404, "not_yet")["visible"],
                "4",
                "{path}"
            );
        }
    });
}

#[test]
fn requests_that_cannot_be_right_are_refused() {
    everywhere(&ExplorerOptions::default(), |place| {
        for (path, says) in [
            ("/api/keys?at=x", "42"),
            ("/api/keys?at=-1", "42"),
            ("/api/keys?at=18446744073709551615", "42"),
            ("/api/keys?prefix=6", "hexadecimal"),
            ("/api/keys?prefix=zz", "hexadecimal"),
            ("/api/keys?limit=0", "1 to 1000"),
            ("/api/keys?limit=1001", "1 to 1000"),
            ("/api/keys?preview=9999", "0 to 1024"),
            ("/api/keys?limt=5", "limt"),
            ("/api/value", "key"),
            ("/api/value?key=00&length=99999999", "length"),
            ("/api/history?key=0g", "hexadecimal"),
            ("/api/diff?old=1", "new"),
            ("/api/diff?old=2&new=1", "older"),
            ("/api/timeline?by=size", "timestamp"),
            ("/api/timeline?buckets=0", "buckets"),
            ("/api/commits?limit=x", "limit"),
        ] {
            let error = place.get(path).failed(400, "invalid");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(says), "{path}: {message}");
        }
        let long = "00".repeat((64 << 10) + 1);
        // A key in the address is bounded by the server before it is looked at.
        let answer = place.get(&format!("/api/value?key={long}"));
        assert!(
            [413, 414, 431].contains(&answer.status),
            "{}",
            answer.status
        );
        place.get("/api/nothing").failed(404, "not_found");
        place.get("/nothing").failed(404, "not_found");
        place.get("/api/set").failed(405, "invalid");
    });
}

#[test]
fn a_foreign_name_is_not_answered() {
    everywhere(&ExplorerOptions::default(), |place| {
        let port = place.explorer.address().port();
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            "127.0.0.1:1".to_owned(),
        ] {
            for path in ["/", "/api/status", "/api/keys"] {
                let answer = place.send(&format!("GET {path}"), &[("Host", &host)], "");
                answer.failed(403, "forbidden");
            }
        }
        place
            .send("GET /api/status", &[], "")
            .failed(403, "forbidden");
        let local = format!("localhost:{port}");
        place.send("GET /api/status", &[("Host", &local)], "").ok();
    });
}

#[test]
fn every_answer_keeps_the_page_to_itself() {
    everywhere(&ExplorerOptions::default(), |place| {
        for path in ["/", "/api/status", "/api/keys?at=99", "/nothing"] {
            let head = place.get(path).head;
            for header in [
                "content-security-policy: default-src 'self'",
                "x-content-type-options: nosniff",
                "x-frame-options: deny",
                "cross-origin-resource-policy: same-origin",
                "cache-control: no-store",
            ] {
                assert!(head.contains(header), "{path} lacks {header}: {head}");
            }
            assert!(!head.contains("access-control-"), "{path}");
        }
    });
}

#[test]
fn a_closed_engine_is_told() {
    everywhere(&ExplorerOptions::default(), |place| {
        place.engine.close().unwrap();
        place.get("/api/keys").failed(503, "closed");
    });
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = ExplorerOptions::default().listen(taken.local_addr().unwrap());
    let error = serve(&Engine::in_memory(), options).unwrap_err();
    assert!(matches!(error, ServeError::Listen { .. }));
    assert!(error.to_string().contains("another address"), "{error}");
}

#[test]
fn an_explorer_that_was_stopped_lets_its_address_go() {
    let engine = Engine::in_memory();
    let explorer = serve(&engine, ExplorerOptions::default().port(0)).unwrap();
    let address = explorer.address();
    assert!(address.ip().is_loopback());
    // One that has asked nothing yet does not hold it up.
    let _idle = std::net::TcpStream::connect(address).unwrap();
    explorer.stop();
    let again = serve(&engine, ExplorerOptions::default().listen(address)).unwrap();
    assert_eq!(json!(again.url()), json!(format!("http://{address}/")));
}
