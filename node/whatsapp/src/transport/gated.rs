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
    /// Gone once the gate was shut: the connection is not to outlive it, whoever still holds this.
    tcp: Option<TcpStream>,
    gate: Arc<Gate>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    is_broken: Arc<AtomicBool>,
}

impl Gated {
    /// Puts the gate in front of a socket; the second value tells of failed writes.
    pub(super) fn new(tcp: TcpStream, gate: &Arc<Gate>) -> (Self, Arc<AtomicBool>) {
        let is_broken = Arc::new(AtomicBool::new(false));
        let gated = Self {
            tcp: Some(tcp),
            gate: Arc::clone(gate),
            cut: Box::pin(gate.cut().cancelled_owned()),
            is_broken: Arc::clone(&is_broken),
        };
        (gated, is_broken)
    }

    /// Resets the connection: what the kernel has not sent yet does not leave any more.
    fn cut_off(&mut self) -> io::Error {
        if let Some(tcp) = self.tcp.take()
            && let Err(error) = tcp.set_zero_linger()
        {
            tracing::debug!(%error, "a fenced socket closes instead of resetting");
        }
        io::Error::new(io::ErrorKind::PermissionDenied, "the fence is closed")
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_cut = self.cut.as_mut().poll(cx).is_ready();
        match &mut self.tcp {
            Some(tcp) if !is_cut => Pin::new(tcp).poll_read(cx, into),
            Some(_) | None => Poll::Ready(Err(self.cut_off())),
        }
    }
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.gate.is_open() {
            return Poll::Ready(Err(self.cut_off()));
        }
        if self.is_broken.load(Ordering::Acquire) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let Some(tcp) = &mut self.tcp else {
            return Poll::Ready(Err(self.cut_off()));
        };
        match Pin::new(tcp).poll_write(cx, bytes) {
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a write to whatsapp failed");
                self.is_broken.store(true, Ordering::Release);
                Poll::Ready(Ok(bytes.len()))
            }
            Poll::Ready(Ok(length)) => Poll::Ready(Ok(length)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tcp {
            Some(tcp) => Pin::new(tcp).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tcp {
            Some(tcp) => Pin::new(tcp).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use crate::api::Fence;

    #[derive(Debug)]
    struct Switch(AtomicBool);

    impl Fence for Switch {
        fn is_open(&self) -> bool {
            self.0.load(Ordering::Acquire)
        }
    }

    async fn pair(fence: &Arc<Switch>) -> (Gated, Arc<AtomicBool>, TcpStream, Arc<Gate>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let gate = Arc::new(Gate::new(Arc::clone(fence) as Arc<dyn Fence>));
        let (gated, is_broken) = Gated::new(client, &gate);
        (gated, is_broken, server, gate)
    }

    #[tokio::test]
    async fn a_closed_fence_lets_no_byte_out() {
        let fence = Arc::new(Switch(AtomicBool::new(true)));
        let (mut gated, is_broken, mut server, _) = pair(&fence).await;
        gated.write_all(b"before").await.unwrap();
        fence.0.store(false, Ordering::Release);
        let refused = gated.write_all(b"after").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(
            gated.read_u8().await.is_err(),
            "the reader learns of it too"
        );
        assert!(!is_broken.load(Ordering::Acquire));
        drop(gated);
        let mut all = Vec::new();
        let end = server.read_to_end(&mut all).await;
        assert_eq!(all, b"before");
        assert!(end.is_err(), "a reset and no goodbye");
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_when_the_gate_is_shut() {
        let fence = Arc::new(Switch(AtomicBool::new(true)));
        let (mut gated, _, _server, gate) = pair(&fence).await;
        let mut reading = Box::pin(gated.read_u8());
        assert!(futures::poll!(&mut reading).is_pending());
        gate.shut();
        assert!(reading.await.is_err());
    }
}
