//! Keys: their order, and any bytes as encoded ones.

use arbitrary::Arbitrary;
use sapwood::{Timestamp, codec::key};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    key: &'a [u8],
    other: &'a [u8],
    starts: (u64, u64),
    bytes: &'a [u8],
}

pub(super) fn run(input: &[u8]) {
    let Some(input) = super::read::<Input<'_>>(input) else {
        return;
    };
    order(&input);
    any_bytes(input.bytes);
}

fn order(input: &Input<'_>) {
    let (a, b) = (input.key, input.other);
    let (encoded_a, encoded_b) = (key::encode(a), key::encode(b));
    assert_eq!(key::decode(&encoded_a).unwrap(), a);
    assert_eq!(encoded_a.cmp(&encoded_b), a.cmp(b));
    assert!(a == b || !encoded_b.starts_with(&encoded_a));
    let starts = [input.starts.0, input.starts.1].map(Timestamp::new);
    let (version_a, version_b) = (
        key::encode_version(a, starts[0]),
        key::encode_version(b, starts[1]),
    );
    // The newest version of a key comes first.
    let wanted = a.cmp(b).then(starts[1].cmp(&starts[0]));
    assert_eq!(version_a.cmp(&version_b), wanted);
    assert_eq!(
        key::split_version(&version_a),
        Ok((encoded_a.as_slice(), starts[0]))
    );
}

fn any_bytes(bytes: &[u8]) {
    if let Ok(user_key) = key::decode(bytes) {
        assert_eq!(key::encode(&user_key).as_slice(), bytes);
    }
    if let Ok((encoded, start)) = key::split_version(bytes) {
        let mut again = key::KeyBuffer::from_slice(encoded);
        key::push_start(&mut again, start);
        assert_eq!(again.as_slice(), bytes);
    }
}
