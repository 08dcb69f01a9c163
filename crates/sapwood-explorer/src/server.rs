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

    /// Waits until the process is told to end, by Ctrl-C or a signal to terminate, and ends.
    ///
    /// # Errors
    /// [`ServeError::Run`] where the operating system does not tell of signals.
    pub fn run_until_signal(self) -> Result<(), ServeError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(told_to_end())?;
        self.stop();
        Ok(())
    }
}

#[cfg(unix)]
async fn told_to_end() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn told_to_end() -> io::Result<()> {
    tokio::signal::ctrl_c().await
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
