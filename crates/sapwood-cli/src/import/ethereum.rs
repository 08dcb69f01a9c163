//! States of Ethereum accounts: `DIR/HEIGHT/pre_state.json`, one commit for each height.
//!
//! | key | value |
//! |---|---|
//! | `account/0xADDRESS` | `{"balance":...,"nonce":...,"code_hash":...}`, as given; no `code_hash` where there is none |
//! | `slot/0xADDRESS/0xSLOT` | the slot's value, as given; a slot of 0 is empty and is deleted |
//!
//! ADDRESS is 40 hexadecimal digits and SLOT 64, lower case, padded with zeros. Accounts and slots
//! that a height does not tell of keep what the height before left. The commit carries the block's
//! time, where `block.json` is there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};

use super::{
    Open,
    sink::{Commit, Sink},
};
use crate::{
    answer::Imported,
    failure::{Failure, Result},
    progress,
};

/// What an account's value holds, in this order.
const FIELDS: [&str; 3] = ["balance", "nonce", "code_hash"];

/// Imports every height of a directory.
pub(super) fn import(directory: &Path, open: Open<'_>) -> Result<Imported> {
    let heights = heights(directory)?;
    let engine = open()?;
    let bar = progress::items("importing", heights.len() as u64);
    let mut sink = Sink::new(&engine);
    for (height, path) in heights {
        let commit = commit(height, &path).map_err(|failure| sink.stopped(failure))?;
        sink.take(commit).map_err(|failure| sink.stopped(failure))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    sink.finish()
}

/// The directories that are named by a height, in order.
fn heights(directory: &Path) -> Result<BTreeMap<u64, PathBuf>> {
    let failed = |error: &std::io::Error| {
        Failure::io(format!("{} cannot be read", directory.display()), error)
    };
    let mut heights = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        let height = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        if let Some(height) = height
            && path.is_dir()
        {
            heights.insert(height, path);
        }
    }
    if heights.is_empty() {
        return Err(Failure::invalid(format!(
            "{} holds no directory named by a height, such as 46147/pre_state.json",
            directory.display()
        )));
    }
    Ok(heights)
}

fn commit(height: u64, path: &Path) -> Result<Commit> {
    let file = path.join("pre_state.json");
    let garbled = |what: String| Failure::new("corrupt", format!("{}: {what}", file.display()));
    let Value::Object(state) = json(&file)? else {
        return Err(garbled("it is not an object of accounts".to_owned()));
    };
    let mut writes = Vec::new();
    for (address, account) in &state {
        account_writes(address, account, &mut writes)
            .ok_or_else(|| garbled(format!("the account {address} is not understood")))?;
    }
    Ok(Commit {
        timestamp: height,
        time: block_time(&path.join("block.json")),
        writes,
    })
}

fn json(file: &Path) -> Result<Value> {
    let text = fs::read(file)
        .map_err(|error| Failure::io(format!("{} cannot be read", file.display()), &error))?;
    serde_json::from_slice(&text).map_err(|error| {
        Failure::new(
            "corrupt",
            format!("{} is not whole JSON: {error}", file.display()),
        )
    })
}

type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn account_writes(address: &str, account: &Value, writes: &mut Writes) -> Option<()> {
    let address = hex(address, 40).filter(|padded| padded.len() == address.len())?;
    let account = account.as_object()?;
    let mut value = Map::new();
    for field in FIELDS {
        match account.get(field) {
            Some(given) => value.insert(field.to_owned(), given.clone()),
            None if field == "code_hash" => None,
            None => return None,
        };
    }
    let value = Value::Object(value).to_string();
    writes.push((
        format!("account/{address}").into_bytes(),
        Some(value.into_bytes()),
    ));
    let storage = account
        .get("storage")
        .map_or(Some(None), |it| it.as_object().map(Some))?;
    for (slot, value) in storage.into_iter().flatten() {
        let slot = hex(slot, 64)?;
        let value = value.as_str()?;
        let is_empty = hex(value, 64)?.bytes().skip(2).all(|digit| digit == b'0');
        let key = format!("slot/{address}/{slot}").into_bytes();
        writes.push((key, (!is_empty).then(|| value.as_bytes().to_vec())));
    }
    Some(())
}

/// A number of at most so many hexadecimal digits, padded to as many, in lower case.
fn hex(text: &str, digits: usize) -> Option<String> {
    let number = text.strip_prefix("0x")?;
    let is_hex = number.len() <= digits && number.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| format!("0x{:0>digits$}", number.to_ascii_lowercase()))
}

/// The time of a block: only metadata, so that a missing or odd one is no error.
fn block_time(file: &Path) -> Option<SystemTime> {
    let block = json(file).ok()?;
    let time = block.get("timestamp")?.as_str()?.strip_prefix("0x")?;
    let seconds = u64::from_str_radix(time, 16).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(json: &str) -> Option<Vec<(String, Option<String>)>> {
        let address = "0x00000000000000000000000000000000000000Ab";
        let mut writes = Vec::new();
        account_writes(address, &serde_json::from_str(json).unwrap(), &mut writes)?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let writes = writes.into_iter();
        Some(
            writes
                .map(|(key, value)| (text(key), value.map(text)))
                .collect(),
        )
    }

    #[test]
    fn accounts_and_slots_become_keys() {
        let json = r#"{"storage":{"0x1":"0x0A","0xF":"0x0"},"nonce":3,"balance":"0x10"}"#;
        let address = "0x00000000000000000000000000000000000000ab";
        let slot = |digit| format!("slot/{address}/0x{}{digit}", "0".repeat(63));
        let account = r#"{"balance":"0x10","nonce":3}"#.to_owned();
        let expected = [
            (format!("account/{address}"), Some(account)),
            (slot("1"), Some("0x0A".to_owned())),
            (slot("f"), None),
        ];
        assert_eq!(writes(json).unwrap(), expected);
    }

    #[test]
    fn what_is_not_an_account_is_refused() {
        for json in [
            "[]",
            "{}",
            r#"{"balance":"0x1"}"#,
            r#"{"balance":"0x1","nonce":1,"storage":[]}"#,
            r#"{"balance":"0x1","nonce":1,"storage":{"1":"0x1"}}"#,
            r#"{"balance":"0x1","nonce":1,"storage":{"0x1":1}}"#,
        ] {
            assert!(writes(json).is_none(), "{json}");
        }
    }
}
