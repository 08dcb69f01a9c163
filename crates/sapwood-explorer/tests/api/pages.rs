//! Pages: every row once, whatever their size, and no more than was asked for.

use std::collections::BTreeSet;

use sapwood::{Batch, Engine};
use sapwood_explorer::ExplorerOptions;
use serde_json::Value;

use crate::support::{Place, everywhere, hex, text};

/// Follows `next` to the end: the items of each page.
fn pages(place: &Place, path: &str, list: &str, cursor: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut next = String::new();
    loop {
        let page = place.get(&format!("{path}{next}")).ok();
        pages.push(page[list].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(place) => next = format!("&{cursor}={place}"),
            None => return pages,
        }
    }
}

fn fill(engine: &Engine) {
    for round in 0..3 {
        let mut batch = Batch::new();
        for number in 0..25 {
            batch.set(format!("key {number:02}"), format!("{round}"));
        }
        engine
            .commit(batch, sapwood::CommitOptions::default())
            .unwrap();
    }
}

#[test]
fn each_row_is_on_one_page() {
    everywhere(&ExplorerOptions::default(), |place| {
        fill(&place.engine);
        let all: BTreeSet<String> = (0..25).map(|number| format!("key {number:02}")).collect();
        for (path, list) in [
            ("/api/keys?at=2", "rows"),
            ("/api/diff?old=1&new=3", "changes"),
        ] {
            for (limit, count) in [(1, 25), (4, 7), (25, 1), (1000, 1)] {
                let pages = pages(place, &format!("{path}&limit={limit}"), list, "after");
                assert_eq!(pages.len(), count, "{path} limit {limit}");
                assert!(pages.iter().all(|page| page.len() <= limit));
                let keys = pages.concat();
                let keys: Vec<_> = keys.iter().map(|row| text(&row["key"])).collect();
                assert!(keys.is_sorted() && keys.len() == 25);
                assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), all);
            }
        }
    });
}

#[test]
fn each_version_is_on_one_page() {
    everywhere(&ExplorerOptions::default(), |place| {
        for number in 0..10 {
            place.engine.set("key", number.to_string()).unwrap();
        }
        for limit in [1, 3, 10] {
            let path = format!("/api/history?key={}&limit={limit}", hex("key"));
            let versions = pages(place, &path, "versions", "before").concat();
            let values: Vec<_> = versions
                .iter()
                .map(|version| text(&version["value"]["head"]))
                .collect();
            let newest_first: Vec<_> = (0..10).rev().map(|number| number.to_string()).collect();
            assert_eq!(values, newest_first, "limit {limit}");
        }
    });
}

/// Values that are long: a page shows their heads, and ends before it has read too much.
#[test]
fn long_values_are_cut_and_end_a_page() {
    everywhere(&ExplorerOptions::default(), |place| {
        let value = vec![b'v'; 5 << 20];
        for number in 0..5 {
            place.engine.set(format!("key {number}"), &value).unwrap();
        }
        let pages = pages(place, "/api/keys?preview=10", "rows", "after");
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 1]);
        let row = &pages[0][0]["value"];
        assert_eq!(row["size"], value.len());
        assert_eq!(text(&row["head"]), "v".repeat(10));
        let part = place.get(&format!("/api/value?key={}", hex("key 0"))).ok();
        assert_eq!(
            part["version"]["bytes"].as_str().unwrap().len(),
            2 * (64 << 10)
        );
    });
}
