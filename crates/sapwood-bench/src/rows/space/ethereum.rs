//! States of Ethereum accounts, as `sapwood import` makes keys and values of them: `account/0xADDRESS` with balance,
//! nonce and code hash as JSON, and `slot/0xADDRESS/0xSLOT` with the slot's value; a slot of 0 is deleted.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// What an account's value holds, in this order.
const FIELDS: [&str; 3] = ["balance", "nonce", "code_hash"];

/// The state that the block of a height touches, before it: keys and their values; `None` deletes.
pub(super) struct Height {
    pub(super) number: u64,
    pub(super) writes: Writes,
}

type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// All heights of a directory, in order.
pub(super) fn read(directory: &Path) -> Result<Vec<Height>> {
    let mut heights = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(number) = name.and_then(|name| name.parse().ok()) else {
            continue;
        };
        let file = path.join("pre_state.json");
        let state: Map<String, Value> = serde_json::from_slice(&fs::read(&file)?)?;
        let mut writes = Vec::new();
        for (address, account) in &state {
            add(address, account, &mut writes)
                .with_context(|| format!("{}: the account {address}", file.display()))?;
        }
        heights.push(Height { number, writes });
    }
    heights.sort_unstable_by_key(|height| height.number);
    Ok(heights)
}

/// Adds an account and its slots; `None` where it is not understood.
fn add(address: &str, account: &Value, writes: &mut Writes) -> Option<()> {
    let address = address.to_ascii_lowercase();
    let mut value = Map::new();
    for field in FIELDS {
        if let Some(given) = account.get(field) {
            value.insert(field.to_owned(), given.clone());
        }
    }
    let value = Value::Object(value).to_string();
    writes.push((
        format!("account/{address}").into_bytes(),
        Some(value.into_bytes()),
    ));
    let slots = account.get("storage").and_then(Value::as_object);
    for (slot, value) in slots.into_iter().flatten() {
        let digits = slot.strip_prefix("0x")?.to_ascii_lowercase();
        let value = value.as_str()?;
        let is_empty = value.strip_prefix("0x")?.bytes().all(|digit| digit == b'0');
        let key = format!("slot/{address}/0x{digits:0>64}").into_bytes();
        writes.push((key, (!is_empty).then(|| value.as_bytes().to_vec())));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_slots_become_keys() {
        let json = r#"{"storage":{"0x1":"0x0A","0xF":"0x0"},"nonce":3,"balance":"0x10"}"#;
        let mut writes = Vec::new();
        add("0xAb", &serde_json::from_str(json).unwrap(), &mut writes).unwrap();
        let slot = |digit| format!("slot/0xab/0x{}{digit}", "0".repeat(63)).into_bytes();
        let account = br#"{"balance":"0x10","nonce":3}"#.to_vec();
        assert_eq!(
            writes,
            [
                (b"account/0xab".to_vec(), Some(account)),
                (slot("1"), Some(b"0x0A".to_vec())),
                (slot("f"), None),
            ]
        );
    }
}
