//! Where the tests run, and requests as bytes: what a browser would not send can be sent, too.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sapwood::{Batch, CommitOptions, Engine, RocksDBConfig, Timestamp};
use sapwood_explorer::{Explorer, ExplorerOptions, serve};
use serde_json::Value;
use tempfile::TempDir;

/// An engine, the explorer over it, and where its files are.
pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) explorer: Explorer,
    _directory: Option<TempDir>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The JSON of an answer that should be one.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// Asserts a failure, and gives what it says.
    pub(crate) fn failed(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let error = body["error"].clone();
        assert_eq!(error["kind"], kind, "{self:?}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        error
    }
}

/// Runs a test in memory and on RocksDB.
pub(crate) fn everywhere(options: &ExplorerOptions, test: impl Fn(&Place)) {
    let options = options.clone().port(0);
    let place = |engine: Engine, directory| Place {
        explorer: serve(&engine, options.clone()).unwrap(),
        engine,
        _directory: directory,
    };
    test(&place(Engine::in_memory(), None));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let config = RocksDBConfig::at(path.to_str().unwrap());
    test(&place(Engine::open_with(config).unwrap(), Some(directory)));
}

impl Place {
    /// Sends a request as it stands.
    pub(crate) fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.explorer.address()).unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let headers: String = headers.collect();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// The name that the explorer goes by.
    pub(crate) fn host(&self) -> String {
        self.explorer.address().to_string()
    }

    /// Asks as the page does.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[("Host", &self.host())], "")
    }

    /// Writes as the page does.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let origin = format!("http://{}", self.host());
        let headers = [
            ("Host", self.host()),
            ("Origin", origin),
            ("X-Sapwood", "1".to_owned()),
        ];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        self.send(&format!("POST {path}"), &headers, &body.to_string())
    }
}

/// A commit at a timestamp, and at a second of the day that is told in thousands of it.
pub(crate) fn commit(engine: &Engine, at: u64, writes: &[(&str, Option<&str>)]) {
    let mut batch = Batch::new();
    for (key, value) in writes {
        match value {
            Some(value) => batch.set(key, value),
            None => batch.delete(key),
        };
    }
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(at * 1000);
    let options = CommitOptions::default().at(Timestamp::new(at)).time(time);
    engine.commit(batch, options).unwrap();
}

/// Digits of a text.
pub(crate) fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of digits.
pub(crate) fn text(digits: &Value) -> String {
    let digits = digits.as_str().unwrap().as_bytes();
    let bytes = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap();
        u8::from_str_radix(pair, 16).unwrap()
    });
    String::from_utf8(bytes.collect()).unwrap()
}
