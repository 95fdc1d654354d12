//! The responder side of the Noise handshake: XX, IK and the fall back from IK to XX. Bytes in,
//! bytes out; sockets and frames belong to the shell, accounts to the rest of the core.
//!
//! Source: protocol notes, section 3.

use std::sync::Arc;

use buffa::Message as _;
use wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::{NoiseCipher, NoiseHandshake};
use waproto::whatsapp as wa;
use waproto::whatsapp::handshake_message::{ClientHello, ServerHello};

use super::keys::{ServerKeys, public_bytes};

/// Why a handshake ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A handshake message or payload was not the expected protobuf.
    #[error("decode {what}: {detail}")]
    Decode {
        /// What was being decoded.
        what: &'static str,
        /// What the decoder said.
        detail: String,
    },
    /// A field that the pattern needs was absent or had the wrong length.
    #[error("read {what}: field missing or of wrong length")]
    Field {
        /// The field.
        what: &'static str,
    },
    /// A Noise step failed, for instance because a ciphertext did not authenticate.
    #[error("noise step failed")]
    Noise(#[from] wacore_noise::HandshakeError),
    /// The peer sent a further message after the end.
    #[error("handshake message after the end")]
    Finished,
}

/// Which handshake was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Full handshake.
    Xx,
    /// Resumption with a known server key.
    Ik,
    /// Resumption attempted with a key that is not ours, restarted as XX.
    XxFallback,
}

/// A finished handshake.
pub struct Session {
    /// Encrypts what the server sends.
    pub write: NoiseCipher,
    /// Decrypts what the client sends.
    pub read: NoiseCipher,
    /// The client's Noise static public key: its credential.
    pub client_static: [u8; 32],
    /// The client's login or registration payload.
    pub payload: Box<wa::ClientPayload>,
    /// The pattern that was played.
    pub pattern: Pattern,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("pattern", &self.pattern)
            .finish_non_exhaustive()
    }
}

/// What to do after a handshake message.
#[derive(Debug)]
pub enum Progress {
    /// Send this frame and wait for the next message.
    Reply(Vec<u8>),
    /// The handshake is over; send the frame, if any, first.
    Done(Option<Vec<u8>>, Box<Session>),
}

enum State {
    Hello,
    Finish {
        noise: Box<NoiseHandshake>,
        pattern: Pattern,
    },
    Over,
}

/// One handshake as its responder.
pub struct Responder {
    keys: Arc<ServerKeys>,
    ephemeral: KeyPair,
    prologue: Vec<u8>,
    state: State,
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").finish_non_exhaustive()
    }
}

impl Responder {
    /// Starts a handshake. `prologue` is the connection header that the client sent.
    #[must_use]
    pub fn new(keys: Arc<ServerKeys>, ephemeral: KeyPair, prologue: Vec<u8>) -> Self {
        Self {
            keys,
            ephemeral,
            prologue,
            state: State::Hello,
        }
    }

    /// Takes one frame of the client.
    ///
    /// # Errors
    /// When the frame does not belong to any of the patterns; the connection is then useless.
    pub fn advance(&mut self, frame: &[u8]) -> Result<Progress, Error> {
        let message =
            wa::HandshakeMessage::decode_from_slice(frame).map_err(|e| Error::Decode {
                what: "handshake message",
                detail: e.to_string(),
            })?;
        match std::mem::replace(&mut self.state, State::Over) {
            State::Hello => {
                let hello = message.client_hello.into_option().ok_or(Error::Field {
                    what: "client hello",
                })?;
                self.hello(&hello)
            }
            State::Finish { noise, pattern } => {
                let finish = message.client_finish.into_option().ok_or(Error::Field {
                    what: "client finish",
                })?;
                self.finish(
                    *noise,
                    pattern,
                    &finish.r#static.unwrap_or_default(),
                    &finish.payload.unwrap_or_default(),
                )
            }
            State::Over => Err(Error::Finished),
        }
    }

    fn hello(&mut self, hello: &ClientHello) -> Result<Progress, Error> {
        let client = key(hello.ephemeral.as_deref(), "client ephemeral key")?;
        match (hello.r#static.as_deref(), hello.payload.as_deref()) {
            (Some(sealed), Some(payload)) => match self.open_resumption(&client, sealed, payload) {
                Ok((noise, client_static, payload)) => {
                    self.accept_resumption(noise, &client, client_static, &payload)
                }
                // The client sealed its hello for another key: an older server key, or a foreign one.
                Err(Error::Noise(_)) => self.offer_full(&client, Pattern::XxFallback),
                Err(other) => Err(other),
            },
            _ => self.offer_full(&client, Pattern::Xx),
        }
    }

    /// Sends the server's half of XX and waits for the client's.
    fn offer_full(&mut self, client: &[u8; 32], pattern: Pattern) -> Result<Progress, Error> {
        let name = if pattern == Pattern::Xx {
            NOISE_PATTERN_XX
        } else {
            NOISE_PATTERN_XXFALLBACK
        };
        let ephemeral = public_bytes(&self.ephemeral);
        let mut noise = NoiseHandshake::new(name, &self.prologue)?;
        noise.authenticate(client);
        noise.authenticate(&ephemeral);
        noise.mix_shared_secret(self.ephemeral.private_key.serialize(), client)?;
        let sealed_static = noise.encrypt(&self.keys.noise_public())?;
        noise.mix_shared_secret(self.keys.noise.private_key.serialize(), client)?;
        let sealed_chain = noise.encrypt(&self.keys.chain)?;
        self.state = State::Finish {
            noise: Box::new(noise),
            pattern,
        };
        Ok(Progress::Reply(server_hello(
            &ephemeral,
            Some(sealed_static),
            sealed_chain,
        )))
    }

    fn finish(
        &self,
        mut noise: NoiseHandshake,
        pattern: Pattern,
        sealed_static: &[u8],
        sealed_payload: &[u8],
    ) -> Result<Progress, Error> {
        let client_static = key(Some(&noise.decrypt(sealed_static)?), "client static key")?;
        noise.mix_shared_secret(self.ephemeral.private_key.serialize(), &client_static)?;
        let payload = noise.decrypt(sealed_payload)?;
        Ok(Progress::Done(
            None,
            session(noise, client_static, &payload, pattern)?,
        ))
    }

    /// Reads an IK hello. A noise error means that it was not sealed for our key.
    fn open_resumption(
        &self,
        client: &[u8; 32],
        sealed_static: &[u8],
        sealed_payload: &[u8],
    ) -> Result<(NoiseHandshake, [u8; 32], Vec<u8>), Error> {
        let secret = self.keys.noise.private_key.serialize();
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &self.prologue)?;
        noise.authenticate(&self.keys.noise_public());
        noise.authenticate(client);
        noise.mix_shared_secret(secret, client)?;
        let client_static = key(Some(&noise.decrypt(sealed_static)?), "client static key")?;
        noise.mix_shared_secret(secret, &client_static)?;
        let payload = noise.decrypt(sealed_payload)?;
        Ok((noise, client_static, payload))
    }

    fn accept_resumption(
        &self,
        mut noise: NoiseHandshake,
        client: &[u8; 32],
        client_static: [u8; 32],
        payload: &[u8],
    ) -> Result<Progress, Error> {
        let ephemeral = public_bytes(&self.ephemeral);
        let secret = self.ephemeral.private_key.serialize();
        noise.authenticate(&ephemeral);
        noise.mix_shared_secret(secret, client)?;
        noise.mix_shared_secret(secret, &client_static)?;
        let sealed_chain = noise.encrypt(&self.keys.chain)?;
        let reply = server_hello(&ephemeral, None, sealed_chain);
        Ok(Progress::Done(
            Some(reply),
            session(noise, client_static, payload, Pattern::Ik)?,
        ))
    }
}

fn session(
    noise: NoiseHandshake,
    client_static: [u8; 32],
    payload: &[u8],
    pattern: Pattern,
) -> Result<Box<Session>, Error> {
    let payload = wa::ClientPayload::decode_from_slice(payload).map_err(|e| Error::Decode {
        what: "client payload",
        detail: e.to_string(),
    })?;
    // The initiator's write key is the responder's read key.
    let (read, write) = noise.finish()?;
    Ok(Box::new(Session {
        write,
        read,
        client_static,
        payload: Box::new(payload),
        pattern,
    }))
}

fn server_hello(ephemeral: &[u8; 32], sealed: Option<Vec<u8>>, chain: Vec<u8>) -> Vec<u8> {
    wa::HandshakeMessage {
        server_hello: buffa::MessageField::some(ServerHello {
            ephemeral: Some(ephemeral.to_vec()),
            r#static: sealed,
            payload: Some(chain),
            ..Default::default()
        }),
        ..Default::default()
    }
    .encode_to_vec()
}

fn key(bytes: Option<&[u8]>, what: &'static str) -> Result<[u8; 32], Error> {
    bytes
        .and_then(|b| b.try_into().ok())
        .ok_or(Error::Field { what })
}
