//! One client connection: frames in and out of a WebSocket, the handshake, and the ciphers. One
//! task, no protocol knowledge beyond framing.
//!
//! Source: protocol notes, section 3.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, sleep_until, timeout};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::framing::{FrameDecoder, append_frame_header_into, encode_frame};
use wacore_noise::{NoiseCipher, NoiseError};

use super::hub::{Hub, Out, Registered};
use crate::core::handshake::{self, Pattern, Progress, Responder, Session};
use crate::core::ids::ConnId;

/// How long a client may take for the whole handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client may take to accept what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Length of the connection header (`W A 06 <dictionary version>`).
const HEADER_LEN: usize = 4;
/// Start of an edge-routing introduction, before its 3-byte length.
const INTRO: &[u8] = b"ED\x00\x01";
/// Longest edge-routing introduction.
const INTRO_BYTES_MAX: usize = 64 * 1024;
/// Largest handshake message.
const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;
/// Several small frames travel in one WebSocket message, up to about this size.
const BATCH_BYTES: usize = 32 * 1024;

/// Why a connection ended by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The socket failed.
    #[error("websocket failed")]
    Socket(#[from] axum::Error),
    /// The client closed it.
    #[error("client closed the connection")]
    Closed,
    /// The client sent something else than a connection header.
    #[error("no connection header")]
    Header,
    /// A frame does not fit.
    #[error("frame is too large")]
    FrameSize,
    /// The client was too slow.
    #[error("client took too long")]
    Timeout,
    /// The handshake failed.
    #[error("handshake failed")]
    Handshake(#[from] handshake::Error),
    /// A frame did not authenticate.
    #[error("frame cipher failed")]
    Cipher(#[from] NoiseError),
    /// 2^32 frames were sent.
    #[error("frame counter exhausted")]
    Counter,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(hub: Arc<Hub>, socket: WebSocket) {
    let stop = hub.stop.clone();
    let served = async {
        let mut frames = Frames {
            socket,
            decoder: FrameDecoder::new(),
            header: Vec::new(),
        };
        let session = timeout(HANDSHAKE_TIMEOUT, shake_hands(&hub, &mut frames))
            .await
            .map_err(|_| Error::Timeout)??;
        let registered = hub.register();
        let conn = registered.conn;
        let mut connection = Connection::new(frames, &session, conn);
        let ended = connection.run(&hub, *session, registered).await;
        // Noted before the socket goes: a client that sees it gone knows that it was.
        hub.gone(conn);
        drop(connection);
        ended
    };
    tokio::select! {
        () = stop.cancelled() => {}
        ended = served => if let Err(e) = ended {
            tracing::debug!(error = %e, "connection ended");
        },
    }
}

/// A WebSocket as a stream of frames.
struct Frames {
    socket: WebSocket,
    decoder: FrameDecoder,
    /// What came before the first frame, until it is complete.
    header: Vec<u8>,
}

impl Frames {
    async fn next(&mut self) -> Result<BytesMut, Error> {
        loop {
            if let Some(frame) = self.decoder.decode_frame() {
                return Ok(frame);
            }
            let data = self.more().await?;
            self.decoder.feed(&data);
        }
    }

    async fn more(&mut self) -> Result<Bytes, Error> {
        loop {
            match self.socket.recv().await {
                Some(Ok(Message::Binary(data))) => return Ok(data),
                Some(Ok(Message::Close(_))) | None => return Err(Error::Closed),
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(e)) => return Err(e.into()),
            }
        }
    }

    /// Reads the connection header, past an edge-routing introduction.
    async fn read_header(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            match split_header(&self.header)? {
                Some(at) => {
                    let rest = self.header.split_off(at + HEADER_LEN);
                    self.decoder.feed(&rest);
                    let header = std::mem::take(&mut self.header);
                    return Ok(header.get(at..).unwrap_or_default().to_vec());
                }
                None => {
                    let data = self.more().await?;
                    self.header.extend_from_slice(&data);
                }
            }
        }
    }

    async fn send(&mut self, data: Bytes) -> Result<(), Error> {
        timeout(WRITE_TIMEOUT, self.socket.send(Message::Binary(data)))
            .await
            .map_err(|_| Error::Timeout)??;
        Ok(())
    }
}

/// Where the connection header starts, once all of it is there.
fn split_header(data: &[u8]) -> Result<Option<usize>, Error> {
    let mut at = 0;
    if data.starts_with(INTRO) {
        let Some([a, b, c]) = data.get(INTRO.len()..).and_then(|d| d.first_chunk::<3>()) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if length > INTRO_BYTES_MAX {
            return Err(Error::Header);
        }
        at = INTRO.len() + 3 + length;
    }
    match data.get(at..at + HEADER_LEN) {
        Some([b'W', b'A', _, _]) => Ok(Some(at)),
        Some(_) => Err(Error::Header),
        None => Ok(None),
    }
}

async fn shake_hands(hub: &Hub, frames: &mut Frames) -> Result<Box<Session>, Error> {
    let header = frames.read_header().await?;
    let ephemeral = hub.with(|server| KeyPair::generate(&mut server.rng));
    let mut responder = Responder::new(Arc::clone(&hub.keys), ephemeral, header);
    loop {
        let frame = frames.next().await?;
        if frame.len() > HANDSHAKE_BYTES_MAX {
            return Err(Error::FrameSize);
        }
        let (reply, session) = match responder.advance(&frame)? {
            Progress::Reply(reply) => (Some(reply), None),
            Progress::Done(reply, session) => (reply, Some(session)),
        };
        if let Some(reply) = reply {
            let framed = encode_frame(&reply, None).map_err(|_| Error::FrameSize)?;
            frames.send(framed.into()).await?;
        }
        if let Some(session) = session {
            tracing::debug!(pattern = ?session.pattern, "handshake complete");
            return Ok(session);
        }
    }
}

/// A connection with its ciphers.
struct Connection {
    frames: Frames,
    conn: ConnId,
    sent: u32,
    received: u32,
    pattern: Pattern,
    /// Frames that a fault holds back, and until when.
    held: VecDeque<BytesMut>,
    held_until: Option<Instant>,
    /// Whether sending failed.
    unheard: bool,
    /// A stanza that a fault holds back; it holds back all behind it.
    waiting: Option<(Instant, Bytes)>,
}

impl Connection {
    fn new(frames: Frames, session: &Session, conn: ConnId) -> Self {
        Self {
            frames,
            conn,
            sent: 0,
            received: 0,
            pattern: session.pattern,
            held: VecDeque::new(),
            held_until: None,
            unheard: false,
            waiting: None,
        }
    }

    async fn run(
        &mut self,
        hub: &Hub,
        session: Session,
        mut registered: Registered,
    ) -> Result<(), Error> {
        let Session {
            write,
            read,
            client_static,
            payload,
            ..
        } = session;
        let pattern = self.pattern;
        hub.with(|server| server.open(self.conn, client_static, &payload, pattern));
        drop(payload);
        loop {
            let until = self.waiting.as_ref().map(|w| w.0);
            tokio::select! {
                () = registered.abort.cancelled() => return Ok(()),
                data = self.frames.more(), if self.held_until.is_none() => {
                    self.frames.decoder.feed(&data?);
                    self.take_frames(hub, &read)?;
                }
                () = wait(self.held_until) => {
                    self.held_until = None;
                    self.release(hub)?;
                    self.take_frames(hub, &read)?;
                }
                () = wait(until) => {
                    if let Some((_, bytes)) = self.waiting.take() {
                        let mut batch = BytesMut::new();
                        self.seal(&write, &bytes, &mut batch)?;
                        self.post(batch.freeze()).await?;
                    }
                }
                out = registered.outbox.recv(), if self.waiting.is_none() => {
                    let Some(out) = out else { return Ok(()) };
                    if self.write(&write, out, &mut registered).await? {
                        return self.finish().await;
                    }
                }
            }
        }
    }

    /// Sends, and after a failure only pretends to: a client that closes while something is on its
    /// way to it has often sent more before, and that is still to be read.
    async fn post(&mut self, data: Bytes) -> Result<(), Error> {
        if self.unheard {
            return Ok(());
        }
        match self.frames.send(data).await {
            Err(Error::Socket(e)) => {
                tracing::debug!(error = %e, "client does not listen any more");
                self.unheard = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Closes the socket in an orderly way.
    async fn finish(&mut self) -> Result<(), Error> {
        let closed = timeout(WRITE_TIMEOUT, self.frames.socket.send(Message::Close(None))).await;
        closed.map_err(|_| Error::Timeout)??;
        Ok(())
    }

    fn take_frames(&mut self, hub: &Hub, read: &NoiseCipher) -> Result<(), Error> {
        while self.held_until.is_none() {
            let Some(mut frame) = self.frames.decoder.decode_frame() else {
                return Ok(());
            };
            read.decrypt_in_place_with_counter(self.received, &mut frame)?;
            self.received = self.received.checked_add(1).ok_or(Error::Counter)?;
            let delay_ms = hub.with(|server| server.receive(self.conn, &frame));
            if delay_ms > 0 {
                self.held.push_back(frame);
                self.held_until = Some(Instant::now() + Duration::from_millis(delay_ms));
            }
        }
        Ok(())
    }

    fn release(&mut self, hub: &Hub) -> Result<(), Error> {
        while let Some(frame) = self.held.pop_front() {
            hub.with(|server| server.receive_late(self.conn, &frame));
        }
        Ok(())
    }

    /// Sends `out` and what else is ready. Returns whether the connection is to be closed.
    async fn write(
        &mut self,
        cipher: &NoiseCipher,
        out: Out,
        registered: &mut Registered,
    ) -> Result<bool, Error> {
        let mut batch = BytesMut::new();
        let mut next = Some(out);
        let mut close = false;
        while let Some(out) = next {
            match out {
                Out::Close => {
                    close = true;
                    break;
                }
                Out::Stanza(bytes, Some(after)) if after > Instant::now() => {
                    self.waiting = Some((after, bytes));
                    break;
                }
                Out::Stanza(bytes, _) => self.seal(cipher, &bytes, &mut batch)?,
            }
            next = if batch.len() < BATCH_BYTES {
                registered.outbox.try_recv().ok()
            } else {
                None
            };
        }
        if !batch.is_empty() {
            self.post(batch.freeze()).await?;
        }
        Ok(close)
    }

    /// Appends the encrypted frame of a stanza.
    fn seal(
        &mut self,
        cipher: &NoiseCipher,
        bytes: &[u8],
        batch: &mut BytesMut,
    ) -> Result<(), Error> {
        let sealed = cipher.encrypt_with_counter(self.sent, bytes)?;
        self.sent = self.sent.checked_add(1).ok_or(Error::Counter)?;
        append_frame_header_into(sealed.len(), None, batch).map_err(|_| Error::FrameSize)?;
        batch.extend_from_slice(&sealed);
        Ok(())
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_with_and_without_edge_routing() {
        assert_eq!(split_header(b"WA").unwrap(), None);
        assert_eq!(split_header(b"WA\x06\x03...").unwrap(), Some(0));
        assert!(split_header(b"GET ").is_err());
        let mut intro = b"ED\x00\x01\x00\x00\x02xy".to_vec();
        assert_eq!(split_header(&intro[..6]).unwrap(), None);
        assert_eq!(split_header(&intro).unwrap(), None);
        intro.extend_from_slice(b"WA\x06\x03");
        assert_eq!(split_header(&intro).unwrap(), Some(9));
        assert!(split_header(b"ED\x00\x01\xff\xff\xff").is_err());
    }
}
