//! smoke
use sapwood::*;
#[test]
fn smoke() {
    let d = tempfile::tempdir().unwrap();
    let e = Engine::open(d.path().join("db")).unwrap();
    for i in 1..=100u64 { e.set(b"h", i.to_string()).unwrap(); if i % 10 == 0 { e.delete(b"h").unwrap(); } }
    let n = e.visible();
    assert_eq!(n.get(), 110);
    assert_eq!(e.at(Timestamp::new(42)).unwrap().get(b"h").unwrap().as_deref(), Some(&b"39"[..]));
    e.pin("p", Timestamp::new(42), PinOptions::default()).unwrap();
    let r = e.prune_before(Timestamp::new(100)).unwrap();
    println!("{r:?}");
    println!("{:?}", e.status().unwrap());
    assert_eq!(e.at(Timestamp::new(42)).unwrap().get(b"h").unwrap().as_deref(), Some(&b"39"[..]));
    assert!(e.at(Timestamp::new(43)).is_err());
    for v in e.history(b"h", ..).unwrap() { println!("{:?}", v.unwrap()); }
    for v in e.diff(Timestamp::new(42), Timestamp::new(109)).unwrap() { println!("{:?}", v.unwrap()); }
    println!("{:?}", Engine::open(d.path().join("db")).unwrap_err());
    drop(e);
    let e = Engine::open(d.path().join("db")).unwrap();
    println!("{:?} {:?}", e.status().unwrap(), e.pins().unwrap());
}
