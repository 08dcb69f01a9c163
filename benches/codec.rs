//! Keys and rows to bytes and back: what every read and every write pays, before any storage.

use std::hint::black_box;

use criterion::Criterion;
use sapwood::{
    Timestamp,
    codec::{CurrentRow, key},
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    keys(&mut criterion);
    version_keys(&mut criterion);
    current_rows(&mut criterion);
    criterion.final_summary();
}

fn keys(criterion: &mut Criterion) {
    // A short key stays on the stack; zeros are escaped, one by one; a long one goes to the heap.
    let shapes = [
        ("short", (1..=32).collect::<Vec<u8>>()),
        ("with_zeros", (0..32).map(|i| i % 4).collect()),
        ("only_zeros", vec![0; 32]),
        ("long", vec![b'k'; 1024]),
    ];
    let mut group = criterion.benchmark_group("codec/key");
    for (shape, user_key) in shapes {
        let encoded = key::encode(&user_key);
        group.bench_function(format!("encode/{shape}"), |b| {
            b.iter(|| key::encode(black_box(&user_key)));
        });
        group.bench_function(format!("decode/{shape}"), |b| {
            b.iter(|| key::decode(black_box(&encoded)));
        });
    }
    group.finish();
}

fn version_keys(criterion: &mut Criterion) {
    let start = Timestamp::new(1 << 40);
    let version_key = key::encode_version(&[7; 32], start);
    let mut group = criterion.benchmark_group("codec/version_key");
    group.bench_function("encode", |b| {
        b.iter(|| key::encode_version(black_box(&[7; 32]), black_box(start)));
    });
    group.bench_function("split", |b| {
        b.iter(|| key::split_version(black_box(&version_key)).map(|(_, start)| start));
    });
    group.finish();
}

fn current_rows(criterion: &mut Criterion) {
    let row = CurrentRow {
        start: Timestamp::new(9),
        previous_end: Timestamp::new(8),
        value: vec![b'v'; 100],
    };
    let bytes = bytes::Bytes::from(row.encode());
    let mut group = criterion.benchmark_group("codec/current_row");
    group.bench_function("encode", |b| b.iter(|| black_box(&row).encode()));
    group.bench_function("peek", |b| {
        b.iter(|| CurrentRow::peek(black_box(&bytes)).map(|row| row.value.len()));
    });
    group.bench_function("decode", |b| {
        b.iter(|| CurrentRow::decode(black_box(bytes.clone())));
    });
    group.finish();
}
