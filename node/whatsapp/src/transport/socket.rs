//! A WebSocket as the library's transport.
//!
//! The library's own closes the reading half with the writing half. WhatsApp's last word (replaced, logged out, slow
//! down) often arrives while a write is failing, so this one reads on for a moment.

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
/// How long is read on after the writing half was closed.
const LINGER: Duration = Duration::from_millis(250);
/// Longest wait for the close frame to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Stands for any stream a WebSocket can be on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

struct Socket<S: Stream> {
    sink: Mutex<Option<SplitSink<WebSocketStream<S>, Message>>>,
    is_closing: CancellationToken,
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
    let is_closing = CancellationToken::new();
    // The channel is empty, so this cannot fail.
    let _ = told.try_send(TransportEvent::Connected);
    let reader = Owned::start(read(stream, told, is_closing.clone()));
    let socket = Socket {
        sink: Mutex::new(Some(sink)),
        is_closing,
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
        if let Some(mut sink) = self.sink.lock().await.take() {
            let goodbye = Message::close(Some(CloseCode::NORMAL_CLOSURE), "");
            // A peer that is gone needs no goodbye.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, sink.send(goodbye)).await;
        }
    }
}

async fn read<S: Stream>(
    mut stream: SplitStream<WebSocketStream<S>>,
    told: Sender<TransportEvent>,
    is_closing: CancellationToken,
) {
    let mut over = std::pin::pin!(async {
        is_closing.cancelled().await;
        tokio::time::sleep(LINGER).await;
    });
    let reason = loop {
        let message = tokio::select! {
            biased;
            message = stream.next() => message,
            () = &mut over => break DisconnectReason::Unknown,
        };
        let data = match message {
            Some(Ok(message)) if message.is_binary() => Bytes::from(message.into_payload()),
            Some(Ok(message)) if message.is_close() => break closed(&message),
            // Pings are answered by the WebSocket itself, and text means nothing here.
            Some(Ok(_)) => continue,
            Some(Err(error)) => break DisconnectReason::ReadError(error.to_string()),
            None => break DisconnectReason::StreamEnded,
        };
        let taken = tokio::select! {
            taken = told.send(TransportEvent::DataReceived(data)) => taken.is_ok(),
            () = &mut over => false,
        };
        if !taken {
            break DisconnectReason::Unknown;
        }
    };
    let _ = told.send(TransportEvent::Disconnected(reason)).await;
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
