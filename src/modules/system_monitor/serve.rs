//! The thread, the listening socket, and connections that are bounded in number and patience.

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::serve::Listener;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use super::limits::{BACKLOG_LEN_MAX, CONNECTIONS_MAX, END_TIME, IDLE_TIME};
use super::{Sources, routes};
use crate::observe::log::thread_span;
use crate::runtime::runner::StopSignal;

/// Why there is no HTTP.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// Another program, or another application of the file, has the port.
    #[error("{0}/tcp is in use: stop what listens there, or change the http port")]
    InUse(SocketAddr),
    /// Any other refusal of the system.
    #[error("{address}/tcp cannot be listened on for HTTP: {error}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

/// A System Monitor that runs.
#[derive(Debug)]
pub struct Monitor {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Monitor {
    /// Where it listens; the port is known even if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for its end, which the stop signal brings about. False if its thread panicked.
    #[must_use]
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

/// Starts HTTP on a thread of its own; `stop` ends it. The socket listens when this returns.
///
/// # Errors
/// The address cannot be listened on, or the system gives no thread or no reactor.
pub fn start(
    listen: SocketAddr,
    sources: Sources,
    stop: StopSignal,
) -> Result<Monitor, MonitorError> {
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            MonitorError::InUse(listen)
        } else {
            MonitorError::Listen { address: listen, error }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(failed)?;
    let listener = {
        let _inside = runtime.enter();
        bind(listen).map_err(failed)?
    };
    let address = listener.local_addr().map_err(failed)?;
    let router = routes::router(Arc::new(sources));
    let body = move || {
        let _span = thread_span("sipcluster", "1536", "System Monitor").entered();
        tracing::info!(http = %address, "listens");
        runtime.block_on(serve(Bounded::new(listener), router, stop));
    };
    let thread = std::thread::Builder::new().name("1536-monitor".to_owned()).spawn(body);
    Ok(Monitor { address, thread: thread.map_err(failed)? })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_LEN_MAX)?;
    TcpListener::from_std(socket.into())
}

/// Serves until the signal, and then for as long as requests under way may take.
pub(super) async fn serve<L: Listener>(listener: L, router: axum::Router, stop: StopSignal)
where
    L::Addr: core::fmt::Debug,
{
    let asked = stop.clone();
    let graceful = async move { asked.wait().await };
    let mut server =
        pin!(axum::serve(listener, router).with_graceful_shutdown(graceful).into_future());
    let mut end = pin!(async {
        stop.wait().await;
        sleep(END_TIME).await;
    });
    poll_fn(|context| match server.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => end.as_mut().poll(context),
    })
    .await;
}

/// A listener that has at most so many connections open.
pub(super) struct Bounded<L> {
    inner: L,
    permits: Arc<Semaphore>,
}

impl<L> Bounded<L> {
    pub(super) fn new(inner: L) -> Self {
        Self { inner, permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Patient<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let (io, address) = self.inner.accept().await;
        (Patient { io, idle: Box::pin(sleep(IDLE_TIME)), _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// A connection that fails when no byte has moved for a while.
pub(super) struct Patient<S> {
    io: S,
    idle: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<S> Patient<S> {
    /// Passes on what the connection says, or fails when it has said nothing for too long.
    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        said: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if said.is_ready() {
            self.idle = Box::pin(sleep(IDLE_TIME));
            return said;
        }
        ready!(self.idle.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let said = Pin::new(&mut self.io).poll_read(context, buffer);
        self.judge(context, said)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.io).poll_write(context, bytes);
        self.judge(context, said)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
