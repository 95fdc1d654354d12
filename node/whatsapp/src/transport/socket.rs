//! A WebSocket as the library's transport.
//!
//! The library's own closes the reading half with the writing half. WhatsApp's last word (replaced, logged out, slow
//! down) often arrives while a write is failing, so this one reads on until the other side closes too. That also tells
//! whoever closed that the server has seen it: the session's next owner connects to no conflict.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_websockets::{CloseCode, Message, WebSocketStream};
use whatsapp_rust::anyhow::{self, Context as _};
use whatsapp_rust::async_channel::{Receiver, Sender, bounded};
use whatsapp_rust::transport::{DisconnectReason, Transport, TransportEvent};

use crate::task::Owned;

/// Most messages read ahead of the library.
const EVENTS_MAX: usize = 16;
/// Longest goodbye: the close frame written, what comes before the other side's answer read, and the answer. Source: a
/// round trip to a far server, with room for what was on its way.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(250);

/// Stands for any stream a WebSocket can be on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

struct Socket<S: Stream> {
    sink: Mutex<Option<SplitSink<WebSocketStream<S>, Message>>>,
    is_closing: CancellationToken,
    /// Cancelled when the reading half is gone: the other side closed, or took too long.
    is_over: CancellationToken,
    /// Set below, when a write failed.
    is_broken: Arc<AtomicBool>,
    /// Reads until the end; stopped when the library drops the socket.
    _reader: Owned,
}

/// Starts reading; the first event says that the socket is there.
pub(super) fn start<S: Stream>(
    socket: WebSocketStream<S>,
    is_broken: Arc<AtomicBool>,
) -> (Arc<dyn Transport>, Receiver<TransportEvent>) {
    let (sink, stream) = socket.split();
    let (told, events) = bounded(EVENTS_MAX);
    let (is_closing, is_over) = (CancellationToken::new(), CancellationToken::new());
    // The channel is empty, so this cannot fail.
    let _ = told.try_send(TransportEvent::Connected);
    let reading = read(stream, told, is_closing.clone(), is_over.clone());
    let reader = Owned::start(reading);
    let socket = Socket {
        sink: Mutex::new(Some(sink)),
        is_closing,
        is_over,
        is_broken,
        _reader: reader,
    };
    (Arc::new(socket), events)
}

#[async_trait]
impl<S: Stream> Transport for Socket<S> {
    async fn send(&self, data: Bytes) -> anyhow::Result<()> {
        let mut sink = self.sink.lock().await;
        let sink = sink.as_mut().context("write: the socket is closed")?;
        sink.send(Message::binary(data)).await.context("write")?;
        anyhow::ensure!(
            !self.is_broken.load(Ordering::Acquire),
            "write: the peer is gone"
        );
        Ok(())
    }

    async fn disconnect(&self) {
        self.is_closing.cancel();
        let sink = self.sink.lock().await.take();
        if let Some(mut sink) = sink {
            let goodbye = Message::close(Some(CloseCode::NORMAL_CLOSURE), "");
            // A peer that is gone needs no goodbye.
            let _ = tokio::time::timeout(GOODBYE_TIMEOUT, sink.send(goodbye)).await;
        }
        // Both halves are gone then, and TCP with them.
        self.is_over.cancelled().await;
    }
}

/// Reads until the end, and for [`GOODBYE_TIMEOUT`] at most after our side closed.
async fn read<S: Stream>(
    stream: SplitStream<WebSocketStream<S>>,
    told: Sender<TransportEvent>,
    is_closing: CancellationToken,
    is_over: CancellationToken,
) {
    // Whatever ends the task, nobody waits for it in vain.
    let over = is_over.drop_guard();
    let reason = until_the_end(stream, &told, &is_closing).await;
    drop(over);
    let _ = told.send(TransportEvent::Disconnected(reason)).await;
}

async fn until_the_end<S: Stream>(
    mut stream: SplitStream<WebSocketStream<S>>,
    told: &Sender<TransportEvent>,
    is_closing: &CancellationToken,
) -> DisconnectReason {
    let mut late = std::pin::pin!(async {
        is_closing.cancelled().await;
        tokio::time::sleep(GOODBYE_TIMEOUT).await;
    });
    loop {
        let message = tokio::select! {
            biased;
            message = stream.next() => message,
            () = &mut late => return DisconnectReason::Unknown,
        };
        let data = match message {
            Some(Ok(message)) if message.is_binary() => Bytes::from(message.into_payload()),
            Some(Ok(message)) if message.is_close() => return closed(&message),
            // Pings are answered by the WebSocket itself, and text means nothing here.
            Some(Ok(_)) => continue,
            Some(Err(error)) => return DisconnectReason::ReadError(error.to_string()),
            None => return DisconnectReason::StreamEnded,
        };
        let is_taken = tokio::select! {
            taken = told.send(TransportEvent::DataReceived(data)) => taken.is_ok(),
            () = &mut late => return DisconnectReason::Unknown,
        };
        // A library that has closed listens no more; the answer to its goodbye is still to come.
        if !is_taken && !is_closing.is_cancelled() {
            return DisconnectReason::Unknown;
        }
    }
}

fn closed(message: &Message) -> DisconnectReason {
    match message.as_close() {
        Some((code, text)) => DisconnectReason::ServerClose {
            code: Some(u16::from(code)),
            reason: text.to_owned(),
        },
        None => DisconnectReason::ServerClose {
            code: None,
            reason: String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, DuplexStream};
    use tokio_websockets::{ClientBuilder, ServerBuilder};

    type Started = (Arc<dyn Transport>, Receiver<TransportEvent>);

    fn started(client: DuplexStream) -> Started {
        start(ClientBuilder::new().take_over(client), Arc::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_goodbye_waits_until_the_other_side_has_read_it() {
        let (client, server) = tokio::io::duplex(1 << 20);
        let mut server = ServerBuilder::new().serve(server);
        let (transport, events) = started(client);
        // More than is read ahead of a library that listens no more.
        for _ in 0..3 * EVENTS_MAX {
            server.send(Message::binary("late")).await.unwrap();
        }
        drop(events);
        let mut closing = transport.disconnect();
        assert!(futures::poll!(&mut closing).is_pending());
        assert!(server.next().await.unwrap().unwrap().is_close());
        server.flush().await.unwrap();
        // The clock stands still, so this is the answer and not the end of patience.
        while futures::poll!(&mut closing).is_pending() {
            tokio::task::yield_now().await;
        }
        transport.disconnect().await;
        assert!(server.next().await.is_none(), "both halves are gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_not_waited_for_long() {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (transport, _events) = started(client);
        let both = async { tokio::join!(transport.disconnect(), transport.disconnect()) };
        tokio::time::timeout(2 * GOODBYE_TIMEOUT, both)
            .await
            .expect("patience ends");
        drop(server);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_not_waited_for_long() {
        let (client, mut server) = tokio::io::duplex(8);
        let (transport, _events) = started(client);
        let sending = transport.send(Bytes::from_static(&[7; 64]));
        let cut = tokio::time::timeout(Duration::from_secs(1), sending).await;
        assert!(cut.is_err(), "the pipe is full");
        transport.disconnect().await;
        drop(transport);
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() <= 64);
    }
}
