//! A TCP relay that counts what the client sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub struct Relay {
    pub address: SocketAddr,
    sent: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(
            listener,
            to,
            Arc::clone(&sent),
            Arc::clone(&accepted),
        ));
        Self {
            address,
            sent,
            accepted,
            _tasks: tasks,
        }
    }

    /// Bytes that clients have sent.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }

    /// Connections that clients have opened.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }
}

async fn serve(
    listener: TcpListener,
    to: SocketAddr,
    sent: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
) {
    let mut links = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::AcqRel);
        links.spawn(link(client, to, Arc::clone(&sent)));
    }
}

async fn link(client: TcpStream, to: SocketAddr, sent: Arc<AtomicUsize>) {
    let server = TcpStream::connect(to).await.unwrap();
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let up = async {
        let mut buffer = [0; 4096];
        while let Ok(length) = client_read.read(&mut buffer).await {
            if length == 0 || server_write.write_all(&buffer[..length]).await.is_err() {
                break;
            }
            sent.fetch_add(length, Ordering::AcqRel);
        }
    };
    let down = async {
        let _ = tokio::io::copy(&mut server_read, &mut client_write).await;
    };
    // The server may speak on after the client's last byte: that is what the fence must withstand.
    tokio::join!(up, down);
}
