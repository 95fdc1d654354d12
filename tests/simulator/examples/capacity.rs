//! How much memory paired and connected accounts take.
//!
//! `cargo run --release -p switchboard-simulator --example capacity -- --bin <simulator> --accounts 10000`
//!
//! Starts the given simulator binary, pairs and connects that many accounts with 812 one-time keys
//! each, and prints the resident memory of the simulator. The clients here are only as much of a
//! client as pairing and login take.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buffa::Message as _;
use clap::Parser;
use futures::{SinkExt as _, StreamExt as _};
use rand::RngExt as _;
use switchboard_simulator::core::xml;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};
use wacore::pair::{DeviceState, PairUtils};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::consts::WA_CONN_HEADER;
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::framing::{FrameDecoder, encode_frame};
use wacore_noise::{IkHandshakeOutcome, IkHandshakeState, IkServerHelloOutcome};
use waproto::whatsapp as wa;

/// Pairings under way at a time.
const PARALLEL: usize = 64;
/// One-time keys for each device, as many as real clients upload.
const PREKEYS: u32 = 812;
/// The first phone number.
const FIRST: u64 = 4_915_200_000_000;

#[derive(Debug, Parser)]
struct Args {
    /// The simulator's binary.
    #[arg(long)]
    bin: String,
    /// How many accounts.
    #[arg(long, default_value_t = 1000)]
    accounts: u64,
}

/// What all clients share.
struct Common {
    host: String,
    server_key: [u8; 32],
    identity: KeyPair,
    signed: (KeyPair, [u8; 64]),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (mut child, host) = start(&args.bin).await?;
    let pid = child.id().context("simulator is running")?;
    let info: serde_json::Value =
        serde_json::from_str(&http(&host, "GET", "/admin/info", "").await?)?;
    let key = hex::decode(
        info.get("server_key")
            .and_then(|k| k.as_str())
            .context("server_key")?,
    )?;
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let identity = KeyPair::generate(&mut rng);
    let signed = KeyPair::generate(&mut rng);
    let signature = identity.calculate_signature(&signed.public_key.serialize(), &mut rng)?;
    let common = Arc::new(Common {
        host,
        server_key: key.as_slice().try_into()?,
        identity,
        signed: (signed, signature),
    });
    let before = resident_kb(pid)?;
    let permits = Arc::new(Semaphore::new(PARALLEL));
    let mut tasks = JoinSet::new();
    for n in 0..args.accounts {
        let (common, permits) = (Arc::clone(&common), Arc::clone(&permits));
        tasks.spawn(async move {
            let _permit = permits.acquire_owned().await?;
            connect(&common, FIRST + n).await
        });
    }
    let mut open = Vec::new();
    while let Some(done) = tasks.join_next().await {
        open.push(done??);
    }
    let after = resident_kb(pid)?;
    println!(
        "{} accounts paired and connected: {} MB resident, {} MB at start, {} KB each",
        open.len(),
        after / 1024,
        before / 1024,
        (after - before) / args.accounts.max(1)
    );
    child.kill().await?;
    Ok(())
}

async fn start(bin: &str) -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(bin)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {bin}"))?;
    let out = child.stdout.take().context("simulator has an output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).await?;
    let host = line
        .trim()
        .rsplit('/')
        .next()
        .context("address")?
        .to_owned();
    Ok((child, host))
}

fn resident_kb(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|l| l.starts_with("VmRSS:"))
        .context("VmRSS")?;
    line.split_whitespace()
        .nth(1)
        .context("VmRSS value")?
        .parse()
        .context("VmRSS number")
}

async fn http(host: &str, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(host).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{method} {path}: {answer}");
    }
    Ok(body.to_owned())
}

/// Pairs an account, logs it in, uploads its keys and leaves it connected.
async fn connect(common: &Common, number: u64) -> anyhow::Result<Link> {
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let noise = KeyPair::generate(&mut rng);
    let mut link = Link::open(common, &noise, 1, 0).await?;
    let offer = link
        .wait(|n| n.get_optional_child("pair-device").is_some())
        .await?;
    let reference = offer
        .get_optional_child_by_tag(&["pair-device", "ref"])
        .and_then(Node::content_as_string)
        .context("reference")?;
    let adv_secret: [u8; 32] = rng.random();
    let qr = format!(
        "{reference},{},{},{},1",
        STANDARD.encode(noise.public_key.public_key_bytes()),
        STANDARD.encode(common.identity.public_key.public_key_bytes()),
        STANDARD.encode(adv_secret),
    );
    http(
        &common.host,
        "POST",
        &format!("/admin/mock-phone/scan-qr?number={number}"),
        &qr,
    )
    .await?;
    let success = link
        .wait(|n| n.get_optional_child("pair-success").is_some())
        .await?;
    let node = success
        .get_optional_child("pair-success")
        .context("pair-success")?;
    let container = PairUtils::extract_device_identity_bytes(&node.as_node_ref())
        .context("device identity")?
        .to_vec();
    let state = DeviceState {
        identity_key: common.identity.clone(),
        noise_key: noise.clone(),
        adv_secret_key: adv_secret,
    };
    let (signed, index) =
        PairUtils::do_pair_crypto(&state, &container).map_err(|e| anyhow::anyhow!("{e}"))?;
    let id = xml_id(&success)?;
    link.send(&PairUtils::build_pair_success_response(&id, signed, index))
        .await?;
    link.wait(|n| n.tag == "stream:error").await?;

    let mut link = Link::open(common, &noise, number, 1).await?;
    link.wait(|n| n.tag == "success").await?;
    link.send(&upload(common, &mut rng)).await?;
    link.wait(|n| n.tag == "iq").await?;
    let active = [NodeBuilder::new("active").build()];
    link.send(&iq("passive", active.into())).await?;
    link.wait(|n| n.get_optional_child("offline").is_some())
        .await?;
    Ok(link)
}

fn xml_id(node: &Node) -> anyhow::Result<String> {
    Ok(node.attrs.get("id").context("id")?.as_str().into_owned())
}

fn iq(xmlns: &'static str, children: Vec<Node>) -> Node {
    NodeBuilder::new("iq")
        .attr("xmlns", xmlns)
        .attr("type", "set")
        .attr("id", "1")
        .attr("to", "s.whatsapp.net")
        .children(children)
        .build()
}

fn upload(common: &Common, rng: &mut rand::rngs::StdRng) -> Node {
    let leaf =
        |tag: &'static str, bytes: &[u8]| NodeBuilder::new(tag).bytes(bytes.to_vec()).build();
    let keys = (1..=PREKEYS).map(|n| {
        let [_, a, b, c] = n.to_be_bytes();
        // The server does not look at the keys, only other clients would.
        let value: [u8; 32] = rng.random();
        NodeBuilder::new("key")
            .children([leaf("id", &[a, b, c]), leaf("value", &value)])
            .build()
    });
    let list = NodeBuilder::new("list").children(keys).build();
    let (signed, signature) = &common.signed;
    let skey = NodeBuilder::new("skey").children([
        leaf("id", &[0, 0, 1]),
        leaf("value", signed.public_key.public_key_bytes()),
        leaf("signature", signature),
    ]);
    let children = vec![
        leaf("registration", &[0, 0, 1, 2]),
        leaf("type", &[5]),
        leaf("identity", common.identity.public_key.public_key_bytes()),
        list,
        skey.build(),
    ];
    iq("encrypt", children)
}

/// A connection after its handshake.
struct Link {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    decoder: FrameDecoder,
    ciphers: Box<IkHandshakeOutcome>,
    sent: u32,
    received: u32,
}

impl Link {
    async fn open(
        common: &Common,
        noise: &KeyPair,
        number: u64,
        device: u32,
    ) -> anyhow::Result<Self> {
        let uri = format!("ws://{}/ws/chat", common.host).parse()?;
        let (mut ws, _) = ClientBuilder::from_uri(uri).connect().await?;
        let payload = wa::ClientPayload {
            username: Some(number),
            device: Some(device),
            ..Default::default()
        };
        let mut ik = IkHandshakeState::new(
            noise.clone(),
            common.server_key,
            payload.encode_to_vec(),
            &WA_CONN_HEADER,
        )?;
        let hello = encode_frame(&ik.build_client_hello()?, Some(&WA_CONN_HEADER))?;
        ws.send(Message::binary(hello)).await?;
        let mut decoder = FrameDecoder::new();
        let frame = next_frame(&mut ws, &mut decoder).await?;
        let IkServerHelloOutcome::Continue(ciphers) = ik.read_server_hello(&frame)? else {
            bail!("the simulator does not know its own key");
        };
        Ok(Self {
            ws,
            decoder,
            ciphers,
            sent: 0,
            received: 0,
        })
    }

    async fn send(&mut self, node: &Node) -> anyhow::Result<()> {
        let sealed = self
            .ciphers
            .write_cipher
            .encrypt_with_counter(self.sent, &wacore_binary::marshal(node)?)?;
        self.sent += 1;
        self.ws
            .send(Message::binary(encode_frame(&sealed, None)?))
            .await?;
        Ok(())
    }

    async fn wait(&mut self, wanted: impl Fn(&Node) -> bool) -> anyhow::Result<Node> {
        loop {
            let mut frame = next_frame(&mut self.ws, &mut self.decoder).await?;
            self.ciphers
                .read_cipher
                .decrypt_in_place_with_counter(self.received, &mut frame)?;
            self.received += 1;
            let node = xml::decode(&frame)?;
            if wanted(&node) {
                return Ok(node);
            }
            if node.tag == "failure" {
                bail!("login failed: {node:?}");
            }
        }
    }
}

async fn next_frame(
    ws: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    decoder: &mut FrameDecoder,
) -> anyhow::Result<bytes::BytesMut> {
    loop {
        if let Some(frame) = decoder.decode_frame() {
            return Ok(frame);
        }
        let message = ws.next().await.context("socket closed")??;
        if message.is_binary() {
            decoder.feed(message.as_payload());
        }
    }
}
