//! [`serve`] and [`Explorer`]: a thread that answers.
//!
//! The server has a thread and a runtime of its own, so that a program without one can use it. Reads go to a few
//! threads that may wait for the disk.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    thread::JoinHandle,
    time::Duration,
};

use sapwood::Engine;
use tokio::{runtime, sync::watch};

use crate::{api, options::ExplorerOptions};

/// Requests that are worked on at the same time; others wait.
const READERS: usize = 8;
/// For how long who is still reading an answer is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why an explorer could not be started, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken, or is none of this machine.
    #[error(
        "cannot listen at {address}: {source}; choose another address, or port 0 for any free one"
    )]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system gives no thread, or takes no more requests.
    #[error("the explorer cannot run: {0}")]
    Run(#[from] io::Error),
}

/// A running explorer. It ends when it is [stopped](Self::stop) or dropped.
#[derive(Debug)]
pub struct Explorer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Starts an explorer of an engine. It answers when this returns, beside whatever else is done with the engine.
///
/// # Errors
/// [`ServeError`].
///
/// # Examples
/// See the [crate](crate).
pub fn serve(engine: &Engine, options: ExplorerOptions) -> Result<Explorer, ServeError> {
    let wanted = options.listen;
    let refused = |source| ServeError::Listen {
        address: wanted,
        source,
    };
    let listener = TcpListener::bind(wanted).map_err(refused)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let routes = api::routes(engine, options, address);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS)
        .thread_name("sapwood-explorer-read")
        .build()?;
    let (stop, mut stopped) = watch::channel(false);
    let run = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut late = stopped.clone();
        // Where the sender has gone, so has whoever wanted it.
        let told = async move { drop(stopped.wait_for(|stop| *stop).await) };
        let server = axum::serve(listener, routes).with_graceful_shutdown(told);
        tokio::select! {
            ended = server.into_future() => ended,
            () = async move {
                drop(late.wait_for(|stop| *stop).await);
                tokio::time::sleep(PATIENCE).await;
            } => Ok(()),
        }
    };
    let thread = std::thread::Builder::new()
        .name("sapwood-explorer".to_owned())
        .spawn(move || runtime.block_on(run))?;
    Ok(Explorer {
        address,
        stop,
        thread: Some(thread),
    })
}

impl Explorer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to open in a browser.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers what was asked, and ends.
    pub fn stop(self) {
        drop(self);
    }

    /// Waits until the process is told to end, by Ctrl-C or a signal to terminate, and ends. `ready` is called once such
    /// a signal no longer kills the process: whoever is told there where to look may send one at once.
    ///
    /// # Errors
    /// [`ServeError::Run`] where the operating system does not tell of signals; the error of `ready`.
    pub fn run_until_signal<E: From<ServeError>>(
        self,
        ready: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ServeError::from)?;
        runtime.block_on(async {
            let mut signals = Signals::new().map_err(ServeError::from)?;
            ready(&self)?;
            signals.told().await;
            Ok(())
        })
    }
}

/// What tells a process to end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What tells a process to end.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn told(&mut self) {
        self.0.recv().await;
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
