//! The store over real files, and links over a real listener.

use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_vocab::Epoch;
use switchboard_vocab::content::MediaKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

mod shared;

use self::shared::Server;

const FILE_BYTES_MAX: u64 = 4_096;

fn scope() -> SessionScope {
    SessionScope {
        session: "default/a".parse().unwrap(),
        uuid: "u".into(),
        epoch: Epoch(1),
    }
}

fn store(allow: &[&str]) -> (tempfile::TempDir, MediaStore) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    let guard = Guard::new(allow.iter().map(|net| net.parse().unwrap()).collect());
    let store = MediaStore::open(
        folder.path(),
        MediaConfig {
            bucket: None,
            age_max: None,
            session_bytes_max: None,
            file_bytes_max: FILE_BYTES_MAX,
            guard,
        },
    )
    .unwrap();
    (folder, store)
}

/// Every store there is, with what it lies on.
async fn every_store() -> [(Server, tempfile::TempDir, MediaStore); 2] {
    let (unused, server) = (Server::start().await, Server::start().await);
    let (folder, local) = store(&[]);
    let (other_folder, in_bucket) = server.store();
    [(unused, folder, local), (server, other_folder, in_bucket)]
}

fn document(source: &MediaSource) -> Wanted<'_> {
    Wanted {
        source,
        kind: Some(MediaKind::Document),
        mime_type: None,
        file_name: None,
    }
}

fn staged(name: &str, size: u64) -> (UploadId, MediaSource) {
    let upload = UploadId::parse(name).unwrap();
    (upload.clone(), MediaSource::Staged { upload, size })
}

#[tokio::test]
async fn pieces_come_in_any_order_and_twice() {
    let (_folder, store) = store(&[]);
    let (upload, source) = staged("u1", 6);
    for (offset, piece) in [(4, &b"ef"[..]), (0, b"ab"), (0, b"ab"), (2, b"cd")] {
        store
            .stage(&scope(), &upload, offset, 6, Bytes::from_static(piece))
            .await
            .unwrap();
    }
    let resolved = store.resolve(&scope(), document(&source)).await.unwrap();
    assert_eq!(resolved.bytes, &b"abcdef"[..]);
    let again = store
        .resolve(&scope(), document(&source))
        .await
        .unwrap_err();
    assert_eq!(again.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn bad_uploads_are_refused() {
    let (_folder, store) = store(&[]);
    let (upload, source) = staged("u1", 6);
    let piece = Bytes::from_static(b"abc");
    let too_large = store
        .stage(&scope(), &upload, 0, FILE_BYTES_MAX + 1, piece.clone())
        .await
        .unwrap_err();
    assert_eq!(too_large.code, ErrorCode::TooLarge);
    assert!(
        store
            .stage(&scope(), &upload, 4, 6, piece.clone())
            .await
            .is_err(),
        "a piece behind the end"
    );
    store
        .stage(&scope(), &upload, 0, 6, piece.clone())
        .await
        .unwrap();
    assert!(
        store.stage(&scope(), &upload, 3, 7, piece).await.is_err(),
        "another size"
    );
    let incomplete = store
        .resolve(&scope(), document(&source))
        .await
        .unwrap_err();
    assert_eq!(incomplete.code, ErrorCode::InvalidInput);
}

fn described(id: &str, bytes: &[u8]) -> StoredMedia {
    StoredMedia {
        id: MediaId::parse(id).unwrap(),
        kind: MediaKind::Document,
        mime_type: "text/plain".into(),
        size: bytes.len() as u64,
        sha256: String::new(),
        file_name: Some("Grüße 東京.txt".to_owned()),
    }
}

async fn put(store: &MediaStore, id: &str, bytes: &'static [u8]) -> StoredMedia {
    let meta = described(id, bytes);
    let bytes = Bytes::from_static(bytes);
    store.put(&scope(), &meta, bytes).await.unwrap();
    meta
}

#[tokio::test]
async fn files_are_read_in_pieces_and_erased() {
    for (_server, _folder, store) in every_store().await {
        let (upload, source) = staged("u1", 5);
        store
            .stage(&scope(), &upload, 0, 5, Bytes::from_static(b"hello"))
            .await
            .unwrap();
        let resolved = store.resolve(&scope(), document(&source)).await.unwrap();
        store
            .put(&scope(), &resolved.meta, resolved.bytes)
            .await
            .unwrap();
        let id = &resolved.meta.id;
        assert_eq!(store.read(&scope(), id, 1, 3).await.unwrap(), &b"ell"[..]);
        assert_eq!(store.read(&scope(), id, 3, 9).await.unwrap(), &b"lo"[..]);
        assert!(store.read(&scope(), id, 5, 3).await.unwrap().is_empty());
        assert!(store.read(&scope(), id, 9, 3).await.unwrap().is_empty());
        // What is stored can be sent.
        let source = MediaSource::Stored(id.clone());
        let again = store.resolve(&scope(), document(&source)).await.unwrap();
        assert_eq!((again.bytes.as_ref(), &again.meta.id), (&b"hello"[..], id));
        store.erase(&scope().session, &scope().uuid).await.unwrap();
        assert_eq!(
            store.read(&scope(), id, 0, 3).await.unwrap_err().code,
            ErrorCode::NotFound
        );
    }
}

#[tokio::test]
async fn files_are_listed_replaced_and_removed() {
    let all = List {
        from: None,
        until: None,
        oldest_first: true,
        offset: 0,
        limit: 10,
    };
    for (_server, _folder, store) in every_store().await {
        let first = put(&store, "m1", b"one").await;
        let nothing = put(&store, "m2", b"").await;
        let list = store.list(&scope(), &all).await.unwrap();
        let mut listed: Vec<_> = list.files.into_iter().map(|file| file.media).collect();
        listed.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!((listed, list.total), (vec![first.clone(), nothing], 2));
        let empty = MediaId::parse("m2").unwrap();
        assert!(store.read(&scope(), &empty, 0, 9).await.unwrap().is_empty());
        put(&store, "m1", b"other").await;
        let read = store.read(&scope(), &first.id, 0, 9).await.unwrap();
        assert_eq!(read, &b"other"[..]);
        assert!(store.remove(&scope(), &first.id).await.unwrap());
        assert!(!store.remove(&scope(), &first.id).await.unwrap());
        let list = store.list(&scope(), &all).await.unwrap();
        assert_eq!(list.total, 1);
        let newer = List {
            from: Some(Timestamp::from_millis(u64::MAX)),
            ..all.clone()
        };
        assert_eq!(store.list(&scope(), &newer).await.unwrap().total, 0);
    }
}

#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl Downloader for Counting {
    async fn download(&self, keys: &[u8], _: u64) -> Result<Bytes, OpError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::copy_from_slice(keys))
    }
}

#[tokio::test]
async fn a_file_is_downloaded_once() {
    for (_server, _folder, store) in every_store().await {
        let meta = described("m1", b"abc");
        let id = meta.id.clone();
        let known = KnownMedia {
            meta,
            keys: Some(b"abc".to_vec()),
            message: None,
        };
        let downloader = Counting::default();
        assert!(store.open(&scope(), &id, None, &downloader).await.is_err());
        for _ in 0..2 {
            store
                .open(&scope(), &id, Some(known.clone()), &downloader)
                .await
                .unwrap();
        }
        assert_eq!(downloader.0.load(Ordering::Relaxed), 1);
        assert_eq!(store.read(&scope(), &id, 0, 9).await.unwrap(), &b"abc"[..]);
    }
}

/// Answers one request with this text.
async fn server(answer: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/file.txt", listener.local_addr().unwrap());
    drop(crate::task::start(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0u8; 1024];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    }));
    url
}

#[tokio::test]
async fn links_are_fetched_within_limits() {
    let url =
        server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi".to_owned())
            .await;
    let (_folder, open) = store(&["127.0.0.0/8"]);
    let source = MediaSource::Url(url.clone());
    let resolved = open.resolve(&scope(), document(&source)).await.unwrap();
    assert_eq!(
        (resolved.bytes.as_ref(), resolved.meta.file_name.as_deref()),
        (&b"hi"[..], Some("file.txt"))
    );

    let (_folder, closed) = store(&[]);
    let refused = closed
        .resolve(&scope(), document(&source))
        .await
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::MediaUnreachable);

    let body = "x".repeat(5_000);
    let endless = server(format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}"
    ))
    .await;
    let source = MediaSource::Url(endless);
    assert_eq!(
        open.resolve(&scope(), document(&source))
            .await
            .unwrap_err()
            .code,
        ErrorCode::TooLarge
    );

    let to_private = server("HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()).await;
    let source = MediaSource::Url(to_private);
    assert_eq!(
        open.resolve(&scope(), document(&source))
            .await
            .unwrap_err()
            .code,
        ErrorCode::MediaUnreachable
    );

    let gone = server(
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    )
    .await;
    let source = MediaSource::Url(gone);
    assert_eq!(
        open.resolve(&scope(), document(&source))
            .await
            .unwrap_err()
            .code,
        ErrorCode::MediaUnreachable
    );
}
