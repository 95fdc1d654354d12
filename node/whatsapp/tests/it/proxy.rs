//! A session's own way out: everything goes through its proxy, or nothing goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use switchboard_vocab::content::MediaKind;
use switchboard_whatsapp::{Choices, End, OutgoingContent, OutgoingFile};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::bench::World;

const ANNA: &str = "15550001";
const BERT: &str = "15550002";
/// Source: RFC 1928 and RFC 1929.
const VERSION: u8 = 5;
const BY_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const BY_NAME: u8 = 3;
const BY_ADDRESS: u8 = 1;

/// A SOCKS5 proxy that wants a name and a password.
struct Proxy {
    address: String,
    opened: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let opened = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let count = Arc::clone(&opened);
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                served.spawn(async move {
                    let _ = serve(client, &count).await;
                });
            }
        });
        Self {
            address,
            opened,
            _tasks: tasks,
        }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Acquire)
    }
}

async fn text(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn serve(mut client: TcpStream, opened: &AtomicUsize) -> std::io::Result<()> {
    assert_eq!(client.read_u8().await?, VERSION);
    assert!(text(&mut client).await?.contains(&BY_PASSWORD));
    client.write_all(&[VERSION, BY_PASSWORD]).await?;
    client.read_u8().await?;
    let login = (text(&mut client).await?, text(&mut client).await?);
    if login != (b"anna".to_vec(), b"p@ss".to_vec()) {
        return client.write_all(&[1, 1]).await;
    }
    client.write_all(&[1, 0]).await?;
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    assert_eq!((head[0], head[1]), (VERSION, CONNECT));
    let host = match head[3] {
        BY_NAME => String::from_utf8(text(&mut client).await?).unwrap(),
        BY_ADDRESS => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        other => panic!("address type {other}"),
    };
    let port = client.read_u16().await?;
    let mut target = TcpStream::connect((host, port)).await?;
    opened.fetch_add(1, Ordering::AcqRel);
    client
        .write_all(&[VERSION, 0, 0, BY_ADDRESS, 0, 0, 0, 0, 0, 0])
        .await?;
    copy_bidirectional(&mut client, &mut target).await?;
    Ok(())
}

fn through(proxy: String) -> Choices {
    Choices {
        proxy: Some(proxy),
        ..Choices::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn socket_and_media_go_through_the_proxy() {
    let world = World::new().await;
    let proxy = Proxy::start().await;
    let address = format!("socks5://anna:p%40ss@{}", proxy.address);
    let mut anna = world.open_with("anna", through(address)).await;
    anna.link(&world, ANNA).await;
    let sockets = proxy.opened();
    assert!(sockets >= 2, "pairing and login: {sockets}");
    let mut bert = world.linked("bert", BERT).await;
    let file = OutgoingFile::new(
        MediaKind::Image,
        "image/jpeg",
        Bytes::from_static(b"picture"),
    );
    let content = OutgoingContent::Media(file);
    let sent = anna.send_content("A1", BERT, content).await.unwrap();
    assert!(bert.incoming().await.media_keys.is_some());
    let keys = sent.media_keys.unwrap();
    assert_eq!(anna.account.download(&keys, 100).await.unwrap(), "picture");
    assert!(proxy.opened() > sockets, "media goes there too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_proxy_is_an_error_and_no_direct_connection() {
    let world = World::new().await;
    let proxy = Proxy::start().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap().to_string();
    drop(closed);
    let wrong = format!("socks5://anna:wrong@{}", proxy.address);
    for address in [wrong, format!("socks5://{nobody}")] {
        let mut anna = world.open_with("anna", through(address)).await;
        anna.start();
        let end = anna.end().await;
        let End::Closed(text) = &end else {
            panic!("it is closed: {end:?}");
        };
        assert!(text.contains("proxy") && !text.contains("wrong"), "{text}");
        drop(anna);
    }
    assert_eq!(proxy.opened(), 0);
    assert!(
        world
            .refuses("anna", through("http://10.0.0.1:3128".to_owned()))
            .await
    );
}
