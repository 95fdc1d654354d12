//! A TCP relay that counts what the client sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub struct Relay {
    pub address: SocketAddr,
    sent: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    ended: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (ending, ended) = watch::channel(0);
        let mut tasks = JoinSet::new();
        let counts = (Arc::clone(&sent), Arc::clone(&accepted), ending);
        tasks.spawn(serve(listener, to, counts));
        Self {
            address,
            sent,
            accepted,
            ended,
            _tasks: tasks,
        }
    }

    /// Waits until as many clients have closed their connections: nothing of theirs is under way then.
    pub async fn until_ended(&mut self, count: usize) {
        let ended = self.ended.wait_for(|ended| *ended >= count);
        tokio::time::timeout(crate::bench::DEADLINE, ended)
            .await
            .expect("the client hangs up")
            .unwrap();
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

type Counts = (Arc<AtomicUsize>, Arc<AtomicUsize>, watch::Sender<usize>);

async fn serve(listener: TcpListener, to: SocketAddr, (sent, accepted, ending): Counts) {
    let mut links = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::AcqRel);
        links.spawn(link(client, to, Arc::clone(&sent), ending.clone()));
    }
}

async fn link(
    client: TcpStream,
    to: SocketAddr,
    sent: Arc<AtomicUsize>,
    ending: watch::Sender<usize>,
) {
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
        ending.send_modify(|ended| *ended += 1);
    };
    let down = async {
        let _ = tokio::io::copy(&mut server_read, &mut client_write).await;
    };
    // The server may speak on after the client's last byte: that is what the fence must withstand.
    tokio::join!(up, down);
}
