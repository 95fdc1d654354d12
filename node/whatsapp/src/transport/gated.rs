//! A TCP socket that asks the gate before each write and breaks when the gate is shut.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::gate::Gate;

/// The socket under TLS and WebSocket.
///
/// A write that fails because the peer went away is swallowed and noted beside: the layers above would stop reading,
/// and what the peer said last still waits to be read. Whoever writes looks at the note.
pub(super) struct Gated {
    tcp: TcpStream,
    gate: Arc<Gate>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    is_broken: Arc<AtomicBool>,
}

impl Gated {
    /// Puts the gate in front of a socket; the second value tells of failed writes.
    pub(super) fn new(tcp: TcpStream, gate: &Arc<Gate>) -> (Self, Arc<AtomicBool>) {
        let is_broken = Arc::new(AtomicBool::new(false));
        let gated = Self {
            tcp,
            gate: Arc::clone(gate),
            cut: Box::pin(gate.cut().cancelled_owned()),
            is_broken: Arc::clone(&is_broken),
        };
        (gated, is_broken)
    }

    fn refused() -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, "the fence is closed")
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Self::refused()));
        }
        Pin::new(&mut self.tcp).poll_read(cx, into)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.gate.is_open() {
            return Poll::Ready(Err(Self::refused()));
        }
        if self.is_broken.load(Ordering::Acquire) {
            return Poll::Ready(Ok(bytes.len()));
        }
        match Pin::new(&mut self.tcp).poll_write(cx, bytes) {
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a write to whatsapp failed");
                self.is_broken.store(true, Ordering::Release);
                Poll::Ready(Ok(bytes.len()))
            }
            other => other,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
