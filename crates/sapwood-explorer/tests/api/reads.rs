//! What each route tells of a small history.

use sapwood::{Engine, FeedOptions, PinOptions, Position, Timestamp};
use sapwood_explorer::ExplorerOptions;
use serde_json::{Value, json};

use crate::support::{Place, commit, everywhere, hex, text};

/// Commits at 10, 20, 30 and 40.
fn play(engine: &Engine) {
    commit(
        engine,
        10,
        &[
            ("alice", Some("100")),
            ("bob", Some("5")),
            ("zoe", Some("")),
        ],
    );
    commit(engine, 20, &[("alice", Some("70"))]);
    commit(engine, 30, &[("alice", None), ("carol", Some("1"))]);
    commit(engine, 40, &[("alice", Some("1")), ("bob", Some("5"))]);
}

fn played(test: impl Fn(&Place)) {
    everywhere(&ExplorerOptions::default(), |place| {
        play(&place.engine);
        test(place);
    });
}

fn rows(page: &Value) -> Vec<(String, String)> {
    let rows = page["rows"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["key"]), text(&row["value"]["head"])))
        .collect()
}

#[test]
fn status_tells_where_the_engine_stands() {
    let options = ExplorerOptions::default().name("ledger");
    everywhere(&options, |place| {
        let engine = &place.engine;
        play(engine);
        let pinned = Timestamp::new(10);
        engine.pin("first", pinned, PinOptions::default()).unwrap();
        engine.prune_before(Timestamp::new(20)).unwrap();
        let from = Position::new(Timestamp::new(30), 0);
        engine
            .create_feed("index", from, FeedOptions::default())
            .unwrap();
        let status = place.get("/api/status").ok();
        let mut expected = json!({
            "name": "ledger", "allow_writes": false, "visible": "40", "floor": "20", "epoch": 0,
            "feeds": [{"name": "index", "timestamp": "30", "is_let_go": false}],
        });
        for (name, value) in expected.as_object_mut().unwrap() {
            assert_eq!(status[name], *value, "{name}");
        }
        let pin = &status["pins"][0];
        assert_eq!(
            (&pin["name"], &pin["timestamp"]),
            (&json!("first"), &json!("10"))
        );
        assert_eq!(pin["expires_ms"], Value::Null);
        assert!(pin["created_ms"].as_u64().unwrap() <= status["now_ms"].as_u64().unwrap());
        assert_eq!(status["stats"]["commits"], 4);
        assert_eq!(status["stats"]["open_snapshots"], 0);
        let snapshot = engine.at(Timestamp::new(30)).unwrap();
        let figures = place.get("/api/status").ok()["stats"].clone();
        assert_eq!(
            (&figures["open_snapshots"], &figures["oldest_snapshot"]),
            (&json!(1), &json!("30"))
        );
        drop(snapshot);
    });
}

#[test]
fn keys_are_those_of_the_moment() {
    played(|place| {
        let at = |path: &str| rows(&place.get(path).ok());
        let row = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(at("/api/keys?at=5"), []);
        let first = [row("alice", "100"), row("bob", "5"), row("zoe", "")];
        assert_eq!(at("/api/keys?at=10"), first);
        assert_eq!(at("/api/keys?at=19"), first);
        assert_eq!(at("/api/keys?at=20&prefix=61"), [row("alice", "70")]);
        assert_eq!(
            at(&format!("/api/keys?at=30&after={}", hex("bob")))[0],
            row("carol", "1")
        );
        let newest = place.get("/api/keys").ok();
        assert_eq!(newest["at"], "40");
        assert_eq!(rows(&newest).len(), 4);
        assert_eq!(newest["next"], Value::Null);
    });
}

#[test]
fn a_value_has_its_span_and_its_parts() {
    played(|place| {
        let key = hex("alice");
        let at = |at: u64| place.get(&format!("/api/value?key={key}&at={at}")).ok();
        assert_eq!(at(9)["version"], Value::Null);
        let version = at(25)["version"].clone();
        let expected =
            json!({"start": "20", "end": "30", "size": 2, "offset": 0, "bytes": hex("70")});
        assert_eq!(version, expected);
        assert_eq!(at(30)["version"], Value::Null);
        assert_eq!(at(40)["version"]["end"], Value::Null);
        let part = place
            .get(&format!("/api/value?key={key}&at=10&offset=1&length=1"))
            .ok();
        assert_eq!(
            (&part["version"]["bytes"], &part["version"]["size"]),
            (&json!("30"), &json!(3))
        );
        let behind = place
            .get(&format!("/api/value?key={key}&at=10&offset=99"))
            .ok();
        assert_eq!(behind["version"]["bytes"], "");
        let empty = place.get(&format!("/api/value?key={}", hex("zoe"))).ok();
        assert_eq!(
            (&empty["version"]["size"], &empty["version"]["start"]),
            (&json!(0), &json!("10"))
        );
    });
}

#[test]
fn a_history_has_versions_and_gaps() {
    played(|place| {
        let page = place
            .get(&format!("/api/history?key={}", hex("alice")))
            .ok();
        let versions = page["versions"].as_array().unwrap().iter();
        let spans: Vec<_> = versions
            .map(|v| (v["start"].clone(), v["end"].clone()))
            .collect();
        let expected = [
            (json!("40"), Value::Null),
            (json!("20"), json!("30")),
            (json!("10"), json!("20")),
        ];
        assert_eq!(spans, expected);
        assert_eq!(text(&page["versions"][1]["value"]["head"]), "70");
        let none = place
            .get(&format!("/api/history?key={}", hex("nobody")))
            .ok();
        assert_eq!(none, json!({"versions": [], "next": null}));
    });
}

#[test]
fn a_difference_tells_old_and_new() {
    played(|place| {
        let page = place.get("/api/diff?old=10&new=30").ok();
        let change = |at: usize| {
            let change = &page["changes"][at];
            let side = |name: &str| change[name].as_object().map(|side| text(&side["head"]));
            (text(&change["key"]), side("old"), side("new"))
        };
        assert_eq!(page["changes"].as_array().unwrap().len(), 2);
        assert_eq!(
            change(0),
            ("alice".to_owned(), Some("100".to_owned()), None)
        );
        assert_eq!(change(1), ("carol".to_owned(), None, Some("1".to_owned())));
        // The same value written again is no difference.
        let page = place
            .get(&format!("/api/diff?old=30&new=40&prefix={}", hex("b")))
            .ok();
        assert_eq!(page, json!({"changes": [], "next": null}));
        assert_eq!(
            place.get("/api/diff?old=20&new=20").ok()["changes"],
            json!([])
        );
    });
}

#[test]
fn commits_are_listed_both_ways() {
    played(|place| {
        let stamps = |path: &str| -> Vec<Value> {
            let page = place.get(path).ok();
            let commits = page["commits"].as_array().unwrap().iter();
            commits.map(|commit| commit["timestamp"].clone()).collect()
        };
        assert_eq!(stamps("/api/commits"), ["10", "20", "30", "40"]);
        assert_eq!(stamps("/api/commits?after=10&limit=1"), ["20"]);
        assert_eq!(stamps("/api/commits?before=30&limit=1"), ["20"]);
        assert_eq!(stamps("/api/commits?before=30"), ["20", "10"]);
        assert_eq!(stamps("/api/commits?after=40"), Vec::<Value>::new());
        let commit = place.get("/api/commits?before=31&limit=1").ok()["commits"][0].clone();
        let expected = json!({"timestamp": "30", "time_ms": 30_000_000, "sets": 1, "deletes": 1});
        assert_eq!(commit, expected);
    });
}

#[test]
fn the_timeline_counts_every_commit() {
    played(|place| {
        let by_timestamp = place.get("/api/timeline").ok();
        assert_eq!(
            (&by_timestamp["commits"], &by_timestamp["complete"]),
            (&json!(4), &json!(true))
        );
        assert_eq!(
            (&by_timestamp["width"], &by_timestamp["by"]),
            (&json!("1"), &json!("timestamp"))
        );
        let first = json!({
            "start": "10", "commits": 1, "sets": 3, "deletes": 0, "first": "10", "last": "10",
            "first_ms": 10_000_000, "last_ms": 10_000_000,
        });
        assert_eq!(by_timestamp["buckets"][0], first);
        let by_time = place.get("/api/timeline?by=time&buckets=2").ok();
        let counts = by_time["buckets"].as_array().unwrap().iter();
        let counts: Vec<_> = counts
            .map(|bucket| bucket["commits"].as_u64().unwrap())
            .collect();
        assert!(
            counts.len() <= 2 && counts.iter().sum::<u64>() == 4,
            "{by_time}"
        );
        commit(&place.engine, 50, &[("new", Some("1"))]);
        assert_eq!(place.get("/api/timeline").ok()["commits"], 5);
    });
}

#[test]
fn storage_tells_of_every_keyspace() {
    played(|place| {
        place.engine.compact().unwrap();
        let storage = place.get("/api/storage").ok();
        let names: Vec<_> = storage["keyspaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["keyspace"].clone())
            .collect();
        assert_eq!(names, ["current", "history", "deleted", "commits", "meta"]);
        let sizes = place.engine.sizes().unwrap();
        assert_eq!(storage["keyspaces"][0]["size_bytes"], sizes[0].size_bytes);
        let levels = place.engine.levels().unwrap();
        let told = storage["keyspaces"].as_array().unwrap().iter();
        let told: usize = told
            .map(|one| one["levels"].as_array().unwrap().len())
            .sum();
        assert_eq!(told, levels.len());
        if let Some(level) = levels.first() {
            assert_eq!(
                storage["keyspaces"][0]["levels"][0]["size_bytes"],
                level.size_bytes
            );
        }
    });
}

#[test]
fn what_is_pinned_below_the_floor_is_read() {
    played(|place| {
        let engine = &place.engine;
        let pinned = Timestamp::new(20);
        engine.pin("kept", pinned, PinOptions::default()).unwrap();
        engine.prune_before(Timestamp::new(40)).unwrap();
        let page = rows(&place.get("/api/keys?at=20&prefix=61").ok());
        assert_eq!(page, [("alice".to_owned(), "70".to_owned())]);
        let value = place
            .get(&format!("/api/value?key={}&at=20", hex("alice")))
            .ok();
        assert_eq!(text(&value["version"]["bytes"]), "70");
        let page = place.get("/api/diff?old=20&new=40").ok();
        assert_eq!(page["changes"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn the_page_is_there() {
    everywhere(&ExplorerOptions::default(), |place| {
        for (path, kind, holds) in [
            ("/", "text/html", "explorer.js"),
            ("/explorer.js", "text/javascript", "/api/"),
            ("/explorer.css", "text/css", "prefers-color-scheme"),
            ("/icon.svg", "image/svg+xml", "<svg"),
            ("/licences.txt", "text/plain", "preact"),
        ] {
            let answer = place.get(path);
            assert_eq!(answer.status, 200, "{path}");
            assert!(
                answer.head.contains(&format!("content-type: {kind}")),
                "{path}: {}",
                answer.head
            );
            assert!(answer.body.contains(holds), "{path}");
        }
    });
}
