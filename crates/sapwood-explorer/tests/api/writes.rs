//! Writes: refused unless they are allowed and come from the page itself.

use sapwood::{ReadView, Timestamp};
use sapwood_explorer::ExplorerOptions;
use serde_json::{Value, json};

use crate::support::{everywhere, hex};

/// Every write there is, as it could be sent.
fn writes() -> [(&'static str, Value); 5] {
    let key = hex("key");
    [
        ("/api/set", json!({"key": key, "value": hex("new")})),
        ("/api/delete", json!({"key": key})),
        ("/api/pin", json!({"name": "p", "at": "1"})),
        ("/api/unpin", json!({"name": "kept"})),
        ("/api/prune", json!({"before": "2"})),
    ]
}

#[test]
fn nothing_is_written_where_it_is_not_allowed() {
    everywhere(&ExplorerOptions::default(), |place| {
        let engine = &place.engine;
        engine.set("key", "1").unwrap();
        engine.set("key", "2").unwrap();
        engine
            .pin("kept", Timestamp::new(1), sapwood::PinOptions::default())
            .unwrap();
        for (path, body) in writes() {
            let error = place.post(path, &body).failed(403, "read_only");
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains("--allow-writes")
            );
        }
        assert_eq!(
            (engine.visible(), engine.floor()),
            (Timestamp::new(2), Timestamp::ZERO)
        );
        assert_eq!(engine.pins().unwrap().len(), 1);
    });
}

#[test]
fn nothing_is_written_for_another_site() {
    everywhere(&ExplorerOptions::default().allow_writes(true), |place| {
        let engine = &place.engine;
        engine.set("key", "1").unwrap();
        engine.set("key", "2").unwrap();
        let host = place.host();
        let ours = format!("http://{host}");
        for (path, body) in writes() {
            let line = format!("POST {path}");
            let (body, mark) = (body.to_string(), ("X-Sapwood", "1"));
            for headers in [
                vec![("Host", host.as_str())],
                vec![("Host", host.as_str()), ("Origin", ours.as_str())],
                vec![
                    ("Host", host.as_str()),
                    mark,
                    ("Origin", "http://evil.example"),
                ],
                vec![("Host", host.as_str()), mark, ("Origin", "null")],
                vec![("Host", "evil.example"), mark],
            ] {
                place.send(&line, &headers, &body).failed(403, "forbidden");
            }
        }
        // A page of another site is not told that it may.
        let headers = [
            ("Host", host.as_str()),
            ("Origin", "http://evil.example"),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "x-sapwood"),
        ];
        let asked = place.send("OPTIONS /api/set", &headers, "");
        assert_eq!(asked.status, 405);
        assert!(!asked.head.contains("access-control-"));
        assert_eq!(engine.visible(), Timestamp::new(2));
    });
}

#[test]
fn what_is_allowed_is_done() {
    everywhere(&ExplorerOptions::default().allow_writes(true), |place| {
        let engine = &place.engine;
        assert_eq!(place.get("/api/status").ok()["allow_writes"], true);
        for value in ["1", "2", "3"] {
            let body = json!({"key": hex("key"), "value": hex(value)});
            place.post("/api/set", &body).ok();
        }
        assert_eq!(engine.get("key").unwrap().as_deref(), Some(&b"3"[..]));
        let pins = place
            .post("/api/pin", &json!({"name": "p", "at": "1"}))
            .ok();
        assert_eq!(pins["pins"][0]["timestamp"], "1");
        let again = place.post("/api/pin", &json!({"name": "p", "at": "2"}));
        again.failed(400, "invalid");
        let expiring = json!({"name": "q", "at": "2", "ttl_seconds": 60});
        let pins = place.post("/api/pin", &expiring).ok();
        assert!(pins["pins"][1]["expires_ms"].is_u64());
        let pruned = place.post("/api/prune", &json!({"before": "3"})).ok();
        assert_eq!(
            (&pruned["floor"], &pruned["rows_dropped"]),
            (&json!("3"), &json!(0))
        );
        place.post("/api/unpin", &json!({"name": "p"})).ok();
        place
            .post("/api/unpin", &json!({"name": "p"}))
            .failed(404, "not_found");
        let pruned = place.post("/api/prune", &json!({"before": "3"})).ok();
        assert_eq!(pruned["rows_dropped"], 1);
        let deleted = place.post("/api/delete", &json!({"key": hex("key")})).ok();
        assert_eq!(deleted, json!({"timestamp": "4"}));
        assert!(!engine.contains("key").unwrap());
        place
            .post("/api/prune", &json!({"before": "9"}))
            .failed(404, "not_yet");
    });
}

#[test]
fn writes_that_cannot_be_read_are_refused() {
    everywhere(&ExplorerOptions::default().allow_writes(true), |place| {
        for (path, body) in [
            ("/api/set", json!({"key": "6b"})),
            ("/api/set", json!({"key": "6b", "value": "x"})),
            ("/api/set", json!({"key": "6b", "value": "00", "at": "1"})),
            ("/api/pin", json!({"name": "p", "at": 1})),
            ("/api/prune", json!("everything")),
        ] {
            place.post(path, &body).failed(400, "invalid");
        }
        let long = json!({"key": hex(&"k".repeat(70_000)), "value": ""});
        place.post("/api/set", &long).failed(413, "too_large");
        assert_eq!(place.engine.visible(), Timestamp::ZERO);
    });
}
