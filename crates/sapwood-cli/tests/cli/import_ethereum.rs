//! `import ethereum-state`: every height is read back and compared with its JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde_json::{Value, json};

use crate::support::{data, run, shell};

fn slot_key(address: &str, slot: &str) -> String {
    format!("slot/{address}/0x{:0>64}", &slot[2..])
}

/// The keys and values that a height tells of; `None` for an empty slot.
fn facts(told: &Value) -> Vec<(String, Option<String>)> {
    let mut facts = Vec::new();
    for (address, account) in told.as_object().unwrap() {
        let mut value = json!({ "balance": account["balance"], "nonce": account["nonce"] });
        if let Some(hash) = account.get("code_hash") {
            value["code_hash"] = hash.clone();
        }
        facts.push((format!("account/{address}"), Some(value.to_string())));
        for (slot, value) in account["storage"].as_object().unwrap() {
            let value = value.as_str().filter(|value| *value != "0x0");
            facts.push((slot_key(address, slot), value.map(str::to_owned)));
        }
    }
    facts
}

#[test]
fn every_height_reads_back() {
    let Some(directory) = data("ethereum-state") else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    run([
        "import",
        "ethereum-state",
        directory.to_str().unwrap(),
        "--db",
        db.to_str().unwrap(),
    ])
    .ok();

    let mut heights = BTreeMap::new();
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Ok(height) = name.parse::<u64>() {
            let text = std::fs::read(path.join("pre_state.json")).unwrap();
            let state: Value = serde_json::from_slice(&text).unwrap();
            heights.insert(height, state);
        }
    }
    assert_eq!(heights.len(), 64);

    // All that a height tells of is read at that height, after all heights were imported: later ones
    // change nothing before them. Some states are read wholly, so that nothing else is there.
    let mut script = String::new();
    let mut wanted = Vec::new();
    let mut state = BTreeMap::new();
    let mut heights_of_account: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for (index, (height, told)) in heights.iter().enumerate() {
        for (key, value) in facts(told) {
            writeln!(script, "get {key} ts={height}").unwrap();
            wanted.push(json!({ "ok": true, "value": value }));
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
        for address in told.as_object().unwrap().keys() {
            heights_of_account
                .entry(address)
                .or_default()
                .insert(*height);
        }
        if index % 16 == 15 {
            writeln!(script, "scan ts={height}").unwrap();
            let rows: Vec<_> = state
                .iter()
                .map(|(key, value)| json!([key, value]))
                .collect();
            wanted.push(json!({ "ok": true, "rows": rows }));
        }
    }
    let answers = shell(&db, &script);
    assert_eq!(answers.len(), wanted.len());
    for ((answer, wanted), line) in answers.iter().zip(&wanted).zip(script.lines()) {
        assert_eq!(answer, wanted, "{line}");
    }
    let touched_again = heights_of_account
        .values()
        .filter(|heights| heights.len() > 1)
        .count();
    assert!(touched_again > 100, "the data has no account that changes");
}

#[test]
fn a_cut_file_stops_at_its_height() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("states");
    let address = format!("0x{}", "ab".repeat(20));
    let db = scratch.path().join("db");
    let import = || {
        run([
            "import",
            "ethereum-state",
            directory.to_str().unwrap(),
            "--db",
            db.to_str().unwrap(),
        ])
    };
    import().failed(1, "cannot be read");
    std::fs::create_dir_all(directory.join("about")).unwrap();
    import().failed(1, "holds no directory named by a height");
    assert!(!db.exists());
    for height in [7, 10, 200] {
        let state =
            json!({ &address: { "balance": "0x1", "nonce": height, "storage": { "0x1": "0x2" } } });
        std::fs::create_dir_all(directory.join(height.to_string())).unwrap();
        let file = directory.join(height.to_string()).join("pre_state.json");
        std::fs::write(file, state.to_string()).unwrap();
    }
    let file = directory.join("200/pre_state.json");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    import().failed(1, "not whole JSON").failed(1, "up to 10;");
    std::fs::write(&file, whole).unwrap();
    import().ok();
    let answers = shell(&db, &format!("get account/{address}\nstatus\n"));
    assert_eq!(answers[0]["value"], r#"{"balance":"0x1","nonce":200}"#);
    assert_eq!(answers[1]["visible"], 200);
}
