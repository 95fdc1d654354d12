//! The XX handshakes, which the unmodified client cannot play against a foreign root: an initiator of
//! our own, straight from the pattern.

use buffa::Message as _;
use bytes::BytesMut;
use futures::{SinkExt as _, StreamExt as _};
use switchboard_simulator::Handle;
use switchboard_simulator::core::xml;
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};
use wacore_binary::consts::{NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER};
use wacore_libsignal::protocol::{KeyPair, PublicKey};
use wacore_noise::framing::{FrameDecoder, encode_frame};
use wacore_noise::{
    HandshakeUtils, IkHandshakeState, IkServerHelloOutcome, NoiseHandshake,
    build_edge_routing_preintro,
};
use waproto::whatsapp as wa;

use crate::client::simulator;

struct Socket {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    decoder: FrameDecoder,
}

impl Socket {
    async fn open(simulator: &Handle) -> Self {
        let uri = simulator.info().ws_url.parse().unwrap();
        let (ws, _) = ClientBuilder::from_uri(uri).connect().await.unwrap();
        Self {
            ws,
            decoder: FrameDecoder::new(),
        }
    }

    async fn send(&mut self, header: Option<&[u8]>, frame: &[u8]) {
        let framed = encode_frame(frame, header).unwrap();
        // In two pieces, because messages and frames need not coincide.
        let (a, b) = framed.split_at(framed.len() / 2);
        self.ws.send(Message::binary(a.to_vec())).await.unwrap();
        self.ws.send(Message::binary(b.to_vec())).await.unwrap();
    }

    async fn receive(&mut self) -> BytesMut {
        loop {
            if let Some(frame) = self.decoder.decode_frame() {
                return frame;
            }
            let message = self.ws.next().await.expect("socket stays open").unwrap();
            self.decoder.feed(message.as_payload());
        }
    }
}

fn registration() -> Vec<u8> {
    wa::ClientPayload {
        push_name: Some("xx".to_owned()),
        ..Default::default()
    }
    .encode_to_vec()
}

/// Plays the initiator's half of XX, or of its fallback, from the server hello on.
async fn finish(
    simulator: &Handle,
    socket: &mut Socket,
    pattern: &str,
    ephemeral: &KeyPair,
    hello: &[u8],
) {
    let identity = KeyPair::generate(&mut rand::make_rng::<rand::rngs::StdRng>());
    let (server_ephemeral, sealed_static, sealed_chain) =
        HandshakeUtils::parse_server_hello(hello).unwrap();
    let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER).unwrap();
    noise.authenticate(ephemeral.public_key.public_key_bytes());
    noise.authenticate(&server_ephemeral);
    let secret = ephemeral.private_key.serialize();
    noise.mix_shared_secret(secret, &server_ephemeral).unwrap();
    let server_static = noise.decrypt(&sealed_static).unwrap();
    assert_eq!(hex::encode(&server_static), simulator.info().server_key);
    noise.mix_shared_secret(secret, &server_static).unwrap();
    check_chain(
        simulator,
        &noise.decrypt(&sealed_chain).unwrap(),
        &server_static,
    );

    let sealed_own = noise
        .encrypt(identity.public_key.public_key_bytes())
        .unwrap();
    noise
        .mix_shared_secret(identity.private_key.serialize(), &server_ephemeral)
        .unwrap();
    let sealed_payload = noise.encrypt(&registration()).unwrap();
    let message = HandshakeUtils::build_client_finish(sealed_own, sealed_payload);
    socket.send(None, &message.encode_to_vec()).await;

    let (_, read) = noise.finish().unwrap();
    let mut frame = socket.receive().await;
    read.decrypt_in_place_with_counter(0, &mut frame).unwrap();
    let stanza = xml::decode(&frame).unwrap();
    let refs = stanza
        .get_optional_child("pair-device")
        .unwrap()
        .children()
        .unwrap()
        .len();
    assert_eq!(refs, 6);
}

/// The chain leads from the root that the simulator names to the key it used.
fn check_chain(simulator: &Handle, chain: &[u8], server_static: &[u8]) {
    let chain = waproto::codec::cert_chain_decode(chain).unwrap();
    let root = hex::decode(simulator.info().root_key).unwrap();
    let middle = chain.intermediate.into_option().unwrap();
    let leaf = chain.leaf.into_option().unwrap();
    let mut key = root;
    for certificate in [middle, leaf] {
        let details = certificate.details.unwrap();
        let signer = PublicKey::from_djb_public_key_bytes(&key).unwrap();
        assert!(signer.verify_signature(&details, &certificate.signature.unwrap()));
        let details = waproto::codec::noise_certificate_details_decode(&details).unwrap();
        key = details.key.unwrap();
    }
    assert_eq!(key, server_static);
}

#[tokio::test]
async fn xx_with_an_edge_routing_introduction() {
    let simulator = simulator().await;
    let mut socket = Socket::open(&simulator).await;
    let ephemeral = KeyPair::generate(&mut rand::make_rng::<rand::rngs::StdRng>());
    let hello = HandshakeUtils::build_client_hello(ephemeral.public_key.public_key_bytes());
    let mut header = build_edge_routing_preintro(b"somewhere").unwrap();
    header.extend_from_slice(&WA_CONN_HEADER);
    socket.send(Some(&header), &hello.encode_to_vec()).await;
    let hello = socket.receive().await;
    finish(
        &simulator,
        &mut socket,
        NOISE_PATTERN_XX,
        &ephemeral,
        &hello,
    )
    .await;
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_stale_server_key_falls_back_to_xx() {
    let simulator = simulator().await;
    let mut socket = Socket::open(&simulator).await;
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let stale = KeyPair::generate(&mut rng);
    let stale_key: [u8; 32] = stale.public_key.public_key_bytes().try_into().unwrap();
    let mut ik = IkHandshakeState::new(
        KeyPair::generate(&mut rng),
        stale_key,
        registration(),
        &WA_CONN_HEADER,
    )
    .unwrap();
    socket
        .send(Some(&WA_CONN_HEADER), &ik.build_client_hello().unwrap())
        .await;
    let hello = socket.receive().await;
    let IkServerHelloOutcome::Fallback(inputs) = ik.read_server_hello(&hello).unwrap() else {
        panic!("the stale key was accepted");
    };
    let hello = inputs.server_hello_bytes.clone();
    let ephemeral = &inputs.ephemeral_kp;
    finish(
        &simulator,
        &mut socket,
        NOISE_PATTERN_XXFALLBACK,
        ephemeral,
        &hello,
    )
    .await;
    simulator.shutdown().await;
}

#[tokio::test]
async fn keys_follow_from_the_seed() {
    let (one, two) = (simulator().await, simulator().await);
    assert_eq!(one.info().server_key, two.info().server_key);
    assert_eq!(one.info().root_key, two.info().root_key);
    let other = crate::client::simulator_with(switchboard_simulator::Config {
        seed: 8,
        ..switchboard_simulator::Config::default()
    })
    .await;
    assert_ne!(one.info().server_key, other.info().server_key);
}
