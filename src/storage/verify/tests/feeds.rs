//! Feeds and branches that cannot be.

use super::*;
use crate::{FeedOptions, Position};

/// A store with a feed at 8.
fn planted() -> Planted {
    let planted = Planted::new(0);
    let from = Position::new(at(8), planted.store.clock.epoch());
    let options = FeedOptions::default();
    planted.store.create_feed("f", from, options).unwrap();
    planted
}

fn feed_row() -> meta::FeedRow {
    let row = planted().backend.get(Keyspace::Meta, b"feed/f").unwrap();
    meta::decode_feed(&row.unwrap()).unwrap()
}

#[test]
fn inv_63_a_feed_that_is_not_where_it_is_used() {
    use Keyspace::Meta;
    assert_clean(&planted().store, "a feed");
    planted().remove(Meta, b"feed/f").breaks(&[Rule::Marks]);
    let mut row = feed_row();
    let named_oddly = meta::encode_feed(&row);
    planted()
        .put(Meta, b"feed/", &named_oddly)
        .breaks(&[Rule::Marks]);
    row.timestamp = at(7);
    let moved = meta::encode_feed(&row);
    planted()
        .put(Meta, b"feed/f", &moved)
        .breaks(&[Rule::Marks]);
    planted()
        .put(Meta, b"feed/f", b"short")
        .breaks(&[Rule::Row]);
}

#[test]
fn inv_63_a_branch_of_commits_that_are_not_there() {
    use Keyspace::Meta;
    let branch = [7; 16];
    let good = planted();
    good.put(Meta, &meta::lineage_key(at(9)), &branch);
    assert_clean(&good.store, "a branch");
    planted()
        .put(Meta, &meta::lineage_key(at(10)), &branch)
        .breaks(&[Rule::Marks]);
    planted()
        .put(Meta, &meta::lineage_key(at(9)), b"short")
        .breaks(&[Rule::Row]);
    planted()
        .put(Meta, b"lineage/", &branch)
        .breaks(&[Rule::Row]);
}
