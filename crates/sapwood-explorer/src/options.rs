//! [`ExplorerOptions`]: where the explorer listens, and what it lets be done.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port, unless another is asked for.
pub const DEFAULT_PORT: u16 = 7272;

/// How an explorer is started. The default listens on `127.0.0.1:7272` and only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplorerOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether it may set, delete, pin, unpin and prune.
    pub allow_writes: bool,
    /// What the page calls the database.
    pub name: String,
}

impl Default for ExplorerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT),
            allow_writes: false,
            name: "sapwood".to_owned(),
        }
    }
}

impl ExplorerOptions {
    /// Listens here. Anything but loopback lets everybody read who can connect.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Listens at this port of the same address; 0 for one that is free.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.listen.set_port(port);
        self
    }

    /// Lets it write.
    #[must_use]
    pub fn allow_writes(mut self, allow: bool) -> Self {
        self.allow_writes = allow;
        self
    }

    /// Calls the database this.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}
